"""Errors of torch in a line."""

from __future__ import annotations

_MOST_LINES = 2
"""Lines of an error's message that are passed on; compilers have hundreds."""


def in_brief(error: Exception) -> str:
    """Name an error with the first lines of its message."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    return f"{type(error).__name__}: {' '.join(lines[:_MOST_LINES])}"
