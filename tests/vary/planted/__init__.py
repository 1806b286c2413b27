"""Models whose layers can be made wrong."""
