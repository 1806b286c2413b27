"""Hold a run against an earlier record: a lock, or a run of the target at another commit."""
