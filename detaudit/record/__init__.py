"""Observe what happens inside a run: steps, layers, operators, batches, random streams.

Everything here runs inside the user's process. It reads, and changes nothing: no bit of a tensor, no
random number, no code path, no output.
"""
