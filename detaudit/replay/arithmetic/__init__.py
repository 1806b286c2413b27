"""Compute in other arithmetic: in float64, or with random rounding; judge errors by what rounding gives."""
