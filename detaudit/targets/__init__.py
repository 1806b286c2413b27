"""What to run: find a target from what the user typed, and drive those that do not run themselves."""
