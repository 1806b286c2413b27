"""How many runs of a commit it takes until one that has the fault hardly ever passes for one that has not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

MISSED = 0.01
"""How likely a commit with the fault may be taken for one without it."""

ENOUGH = 4
"""No more runs are spent on measuring a fault once so few of each commit do."""


def all_agree(sizes: Sequence[int], runs: int) -> float:
    """How likely `runs` runs all agree, of a target whose earlier runs fell into groups of these sizes.

    A group has the runs that agree with one another. The chance is the sum of q ** runs over all outcomes,
    q being how often each comes. Both bounds hold for it: the largest q to the power of runs - 1, and the
    chance that two runs agree to the power of runs / 2. Each is estimated with one outcome of each kind added
    (Laplace's rule), since what was not seen may come all the same.
    """
    seen = sum(sizes)
    pairs, equal = seen * (seen - 1) / 2, sum(size * (size - 1) / 2 for size in sizes)
    commonest = (max(sizes) + 1) / (seen + 2)
    two_agree = (equal + 1) / (pairs + 2)
    return float(min(commonest ** (runs - 1), two_agree ** (runs / 2)))


def all_like(seen: int, unlike: int, runs: int) -> float:
    """How likely `runs` runs are all like the reference, of a target of which `unlike` of `seen` were not."""
    return float((1 - (unlike + 1) / (seen + 2)) ** runs)


def runs_needed(missed: Callable[[int], float], least: int) -> int:
    """How many runs it takes until the chance to miss a fault is small enough."""
    return next(runs for runs in count(least) if missed(runs) < MISSED)
