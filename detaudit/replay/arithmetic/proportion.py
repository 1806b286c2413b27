"""When an error is out of proportion: to what rounding does to the same computation, and to the other side's.

No torch: the launching process, which reads what the second run measured, asks this too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FACTOR = 6.0
"""How many times what rounding by chance does an error may be.

Measured over 75 kinds of layers, sizes and models of torch, with and without oneDNN, in float32 and bfloat16:
at most 1.7. A LayerNorm with an epsilon of 1e-6 in the place of 1e-5 is at 25.
"""
RATIO = 4.0
"""How many times the other side's error, each in units of its own dtype, an error may be."""

LOST, KEPT = 0.5, 0.01
"""Relative errors: of a value of which nothing is left, and of one that has some digits."""

FLOAT64_UNIT = 2.0**-52
FLOAT64_FACTOR = 64.0
FLOAT64_LEAST = 1e-12
"""Relative difference of two float64 results that is always allowed: kernels approximate functions."""


@dataclass(frozen=True, slots=True)
class Error:
    """The relative error of one side, against float64."""

    error: float
    noise: float
    """What rounding by chance makes of the same computation."""
    unit: float
    """Distance of 1 and the next number in the side's dtype."""
    distance: float
    """The error itself, not relative to anything."""

    @property
    def allowed(self) -> float:
        """How large the error may be for that reason alone."""
        return FACTOR * max(self.noise, self.unit / 2)


def out_of_proportion(one: Error, other: Error | None) -> bool:
    """Whether the error of one side is more than rounding explains, and more than the other side's."""
    if not one.error > one.allowed:
        return False
    # The errors themselves: relative ones cannot be larger than 1, and both may be near that.
    return other is None or one.distance / one.unit > RATIO * other.distance / other.unit


def lost(one: Error, other: Error) -> bool:
    """Whether rounding leaves nothing of what one side gives, where the other side has it.

    That rounding explains an error as large as the value is no excuse: a variance that is the difference of
    two large means has no digit in bfloat16. Where rounding decides a choice, any error is to be expected.
    """
    return math.isfinite(one.noise) and one.error > LOST and other.error < KEPT


def another_function(apart: float, noise: float, unit: float) -> bool:
    """Whether two float64 results are so far apart that they are not of the same computation."""
    rounding = FLOAT64_FACTOR * FACTOR * noise * FLOAT64_UNIT / unit
    return math.isfinite(apart) and apart > max(rounding, FLOAT64_LEAST)
