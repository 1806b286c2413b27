"""The values of one step: kept by one run, called again alone in another, and held against what it has."""
