"""A run held against what was recorded before: a lock, or the same target at another commit."""
