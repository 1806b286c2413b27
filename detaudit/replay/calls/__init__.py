"""One call of a module: kept with all that it reads, and made again, alone."""
