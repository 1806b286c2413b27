"""Compute how many equal runs are enough: one estimate for a search, another one for a bisection.

A search asks whether luck explains equal pairs whatever the rate of differing is, and averages over all rates
that fit what was seen (`luck`: the beta-binomial model with Bayes' uniform prior). A bisection asks whether a
fault passes that shows as often as at the bad commit, so it takes the rate seen there by Laplace's rule of
succession (`all_agree`, `all_like`); averaged over all rates, one unlike run of eight would ask for 77 runs
of each commit instead of 21, for a chance that its report does not speak of.

Where no pair differs nothing is estimated: `bound` is a one-sided confidence bound, which needs no belief
about rates. It counts runs, not pairs, since all pairs have the first run in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from math import exp, lgamma

CONFIDENCE = 0.95
"""Confidence with which an answer excludes a rate."""

DOUBT = 0.05
"""Largest accepted chance that runs are equal although the change to them has no effect."""

DOUBT_IF_UNSEEN = 0.01
"""As DOUBT, for a source that was not seen at work: only the equal runs speak for it."""

MISSED = 0.01
"""Largest accepted chance of taking a commit with the fault for a commit without it."""

ENOUGH = 4
"""Measuring a fault stops once this few runs of each commit suffice."""

MOST_PAIRS = 12
"""A difference that shows more rarely than this can settle is called unconfirmed."""


def luck(differing: int, pairs: int, equal: int) -> float:
    """Compute the chance that `equal` further pairs agree by luck, after `differing` of `pairs` differed.

    The rate of differing is unknown; before anything was seen all values are as likely. This is the mean of
    (1 - rate) ** equal over its posterior, Beta(1 + differing, 1 + pairs - differing).
    """
    same = pairs - differing
    return exp(lgamma(1 + same + equal) + lgamma(2 + pairs) - lgamma(1 + same) - lgamma(2 + pairs + equal))


def pairs_needed(differing: int, pairs: int, doubt: float = DOUBT) -> int:
    """Compute the number of equal pairs needed to rule out chance at level `doubt`; at most MOST_PAIRS."""
    enough = (n for n in range(1, MOST_PAIRS) if luck(differing, pairs, n) <= doubt + 1e-9)
    return next(enough, MOST_PAIRS)


def bound(pairs: int) -> dict[str, float]:
    """Say how often two runs agree at least, where one run and each of `pairs` others were equal.

    At a lower rate of agreement, all runs would be equal with a chance of less than 1 - CONFIDENCE: if
    outcome i comes with chance q_i, two runs agree with chance a = sum(q_i ** 2), and n runs with chance
    sum(q_i ** n) <= a ** (n / 2), since no q_i is above sqrt(a).
    """
    return {
        "confidence": CONFIDENCE,
        "agreement_at_least": round(1 - CONFIDENCE, 6) ** (2 / (pairs + 1)) if pairs else 0.0,
    }


def all_agree(sizes: Sequence[int], runs: int) -> float:
    """Compute the chance that `runs` runs all agree, if earlier runs fell into groups of these sizes.

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
    """Compute the chance that `runs` runs are all like the reference, after `unlike` of `seen` were not."""
    return float((1 - (unlike + 1) / (seen + 2)) ** runs)


def runs_needed(missed: Callable[[int], float], least: int) -> int:
    """Compute the number of runs after which the chance to miss a fault is small enough."""
    return next(runs for runs in count(least) if missed(runs) < MISSED)
