"""Find a target from what the user typed, and drive targets that do not run themselves."""
