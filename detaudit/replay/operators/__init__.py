"""Operator calls: kept, saved, and made again, once or many times."""
