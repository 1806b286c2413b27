"""Keep the module calls of one step in one run, and compare another run's calls with them."""
