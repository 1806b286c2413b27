"""Keep one call of a module with all that it reads, and make the call again, alone."""
