"""Use the same random numbers in two runs: the first run keeps its numbers, the second takes them."""
