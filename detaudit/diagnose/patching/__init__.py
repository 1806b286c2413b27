"""Fixes that need no thought: one file for each family of causes."""
