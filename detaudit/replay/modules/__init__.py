"""The module calls of one step: kept by one run, and held by another against its own."""
