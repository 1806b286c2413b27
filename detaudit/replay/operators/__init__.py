"""Keep or save operator calls, and make them again, once or many times."""
