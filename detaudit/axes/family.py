"""Axes of which there are as many as there are names: one for each environment variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from detaudit.axes.axis import Axis


@dataclass(frozen=True, slots=True)
class Family:
    """Axes whose names begin alike."""

    prefix: str
    """`env:`."""
    words: str
    """The form of their names, for a reader."""
    member: Callable[[str], Axis[Any]]
    """Gives the axis for the rest of a name."""
