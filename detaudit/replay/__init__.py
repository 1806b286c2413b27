"""Keep calls of modules, operators and the optimizer, make each call again alone, and measure the results."""
