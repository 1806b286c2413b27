"""Other arithmetic: float64, rounding by chance, and what is out of proportion to it."""
