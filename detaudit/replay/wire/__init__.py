"""What a run leaves for the process that launched it: dataclasses, written and read as JSON; no torch."""
