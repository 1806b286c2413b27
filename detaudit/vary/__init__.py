"""Run a target under other conditions: what must be equal is held bit for bit, the rest is measured."""
