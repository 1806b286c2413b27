"""The axes of `--vary`: one file for each, found by `catalogue`."""
