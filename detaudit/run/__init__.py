"""Run a target in fresh processes and bring back a trace of each run."""
