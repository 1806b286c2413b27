"""Calls that are kept, made again alone, and measured: those of modules, of operators, of the optimizer."""
