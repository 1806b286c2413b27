"""Decide if an error is too large for rounding: larger than simulated rounding and the other run's error.

No torch: the launching process, which reads the second run's measurements, uses this module too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FACTOR = 6.0
"""Largest allowed ratio of an error to the error that random rounding makes.

Measured over 75 kinds of layers, sizes and models of torch, with and without oneDNN, in float32 and bfloat16:
at most 1.7. A LayerNorm with an epsilon of 1e-6 in the place of 1e-5 is at 25.
"""
RATIO = 4.0
"""Largest allowed ratio of an error to the other side's error, each in units of its own dtype."""

LOST, KEPT = 0.5, 0.01
"""Two relative errors: above LOST nothing of a value is left, below KEPT a value has some correct digits."""

FLOAT64_UNIT = 2.0**-52
FLOAT64_FACTOR = 64.0
FLOAT64_LEAST = 1e-12
"""Relative difference of two float64 results that is always allowed: kernels approximate functions."""


@dataclass(frozen=True, slots=True)
class Error:
    """The relative error of one side, against float64."""

    error: float
    noise: float
    """The relative error that random rounding makes in the same computation."""
    unit: float
    """Distance of 1 and the next larger number in the side's dtype."""
    distance: float
    """Norm of the error, not relative to the value."""

    @property
    def allowed(self) -> float:
        """The largest relative error that rounding alone explains."""
        return FACTOR * max(self.noise, self.unit / 2)


def out_of_proportion(one: Error, other: Error | None) -> bool:
    """Say whether the error of `one` is more than rounding explains, and more than the error of `other`."""
    if not one.error > one.allowed:
        return False
    # The errors themselves: relative ones cannot be larger than 1, and both may be near that.
    return other is None or one.distance / one.unit > RATIO * other.distance / other.unit


def lost(one: Error, other: Error) -> bool:
    """Say whether rounding destroys the value on side `one`, while side `other` still has correct digits.

    An error as large as the value is reported even if rounding explains it: a variance as the difference of
    two large means has no digit in bfloat16. Where rounding decides a choice, any error is to be expected.
    """
    return math.isfinite(one.noise) and one.error > LOST and other.error < KEPT


def another_function(apart: float, noise: float, unit: float) -> bool:
    """Say whether two float64 results are too far apart to come from one computation."""
    rounding = FLOAT64_FACTOR * FACTOR * noise * FLOAT64_UNIT / unit
    return math.isfinite(apart) and apart > max(rounding, FLOAT64_LEAST)
