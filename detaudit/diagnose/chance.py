"""How many equal pairs of runs it takes to believe that they are equal for a reason."""

from __future__ import annotations

from math import exp, lgamma

DOUBT = 0.05
"""How likely it may be that runs are equal by chance although what was done to them does nothing."""

DOUBT_IF_UNSEEN = 0.01
"""The same, for a source that was not seen at work: that the runs are equal is all that speaks for it."""

MOST_PAIRS = 12
"""A difference that shows more rarely than this can settle is called unconfirmed."""


def chance(differing: int, pairs: int, equal: int) -> float:
    """How likely `equal` further pairs all agree by chance, after `differing` of `pairs` pairs differed.

    The rate of differing is unknown; before anything was seen all values are as likely. This is the mean of
    (1 - rate) ** equal over its posterior, Beta(1 + differing, 1 + pairs - differing).
    """
    same = pairs - differing
    return exp(lgamma(1 + same + equal) + lgamma(2 + pairs) - lgamma(1 + same) - lgamma(2 + pairs + equal))


def pairs_needed(differing: int, pairs: int, doubt: float = DOUBT) -> int:
    """How many equal pairs it takes until chance explains them no more; at most MOST_PAIRS."""
    enough = (n for n in range(1, MOST_PAIRS) if chance(differing, pairs, n) <= doubt + 1e-9)
    return next(enough, MOST_PAIRS)
