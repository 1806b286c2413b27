"""The trace file: one SQLite file per run, one row per step, readable without torch."""
