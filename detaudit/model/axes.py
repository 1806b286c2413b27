"""The nouns of `--vary`: a value on an axis, and what two values owe each other.

Pure data. No torch, no input or output. The axes themselves are declared in `detaudit.axes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What two runs that differ along an axis owe each other, the strictest first."""

    BITS = "bits"
    """The same bits: the axis must not reach any number, and where it does, that is a fault."""
    ROUNDING = "rounding"
    """The same numbers up to rounding: the axis may choose other arithmetic, which changes last bits."""
    PRECISION = "precision"
    """The same numbers up to the rounding of each side's own device or dtype: equal bits cannot be had."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value on one axis, read and checked."""

    axis: str
    """Name of the axis: `threads`."""
    text: str
    """The value as it was typed, and as answers show it."""
    value: object
    """The value itself: a whole number for `threads`, true or false for `compile`."""

    def __str__(self) -> str:
        """Show it as on the command line: `threads=1`."""
        return f"{self.axis}={self.text}" if self.text.strip() else f'{self.axis}=""'


Conditions = tuple[Setting, ...]
"""One value for each axis of a run."""
