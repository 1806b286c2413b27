"""Run a target under other conditions: hold bit for bit what must be equal, and measure the rest."""
