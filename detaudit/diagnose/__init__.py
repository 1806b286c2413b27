"""From a target to an answer: run it, compare the runs, look closer where they part."""
