"""Measure, in a process of its own, whether a sample's results depend on the batch that the sample is in."""
