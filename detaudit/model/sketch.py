"""Sketches: a few numbers in the place of many, enough to estimate how far apart two values are.

Pure data and arithmetic. No torch, no input or output. `digest.sketch` makes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest

BUCKETS = 16
"""Number of sums in a projection. An estimated difference is off by a factor of about 1 +- 1/sqrt(2 * 16)."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """The summary of a value's floating-point numbers, in float64."""

    norm: float
    """Euclidean norm of the finite numbers."""
    total: float
    """Sum of the finite numbers."""
    projection: tuple[float, ...]
    """Each number, with a pseudo-random sign, is added to one of 16 sums, pseudo-randomly chosen. (The "count
    sketch" of Charikar, Chen and Farach-Colton, 2002; its use for norms is due to Alon, Matias and Szegedy,
    1996.) It is linear: the projection of a difference is the difference of the projections."""
    count: int
    """Count of all numbers; values with different counts have different shapes."""
    not_finite: int = 0
    """Count of the numbers that are infinite or NaN."""


def relative_difference(one: Sketch, other: Sketch) -> float:
    """Estimate `norm(a - b) / max(norm(a), norm(b))` of the two values, at least as far as their norms part.

    0 where both are zero; NaN where nothing can be said: a value has numbers that are not finite, or too
    large ones, or the values do not have the same number of them.
    """
    if one.not_finite or other.not_finite or one.count != other.count:
        return math.nan
    scale = max(one.norm, other.norm)
    if not scale:
        return 0.0
    if not math.isfinite(scale):
        return math.nan
    squares = ((a - b) ** 2 for a, b in zip(one.projection, other.projection, strict=True))
    return max(math.sqrt(math.fsum(squares)), abs(one.norm - other.norm)) / scale


def combined(sketches: Mapping[str, Sketch]) -> Sketch | None:
    """Combine the sketches of several named values into one; None if there are none.

    The order and the signs of each value's sums depend on its name, so that equal changes of two values, or
    opposite ones, do not cancel.
    """
    if not sketches:
        return None
    projection = [math.fsum(sums) for sums in zip(*map(_signed, sketches.items()), strict=True)]
    return Sketch(
        norm=math.sqrt(math.fsum(one.norm**2 for one in sketches.values())),
        total=math.fsum(one.total for one in sketches.values()),
        projection=tuple(projection),
        count=sum(one.count for one in sketches.values()),
        not_finite=sum(one.not_finite for one in sketches.values()),
    )


def _signed(named: tuple[str, Sketch]) -> Iterable[float]:
    name, sketch = named
    bits = xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))
    # Single numbers are all in the same sum: signs alone would let every second pair of them cancel.
    shift = (bits >> BUCKETS) % BUCKETS
    turned = (*sketch.projection[shift:], *sketch.projection[:shift])
    return (-value if bits >> position & 1 else value for position, value in enumerate(turned))
