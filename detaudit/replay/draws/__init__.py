"""The same random numbers in two runs: what one draws is kept, and taken by the other."""
