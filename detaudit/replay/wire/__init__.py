"""Define what a run leaves for the process that launched it: dataclasses, stored as JSON, without torch."""
