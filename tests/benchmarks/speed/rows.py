"""The rows of the speed table: what was measured, how far it spreads, the bar, and whether it holds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """The limit that a figure has to keep: at most, or at least."""

    limit: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Whether a figure keeps the limit."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        """The bar as the table shows it."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """One figure of the table."""

    part: str
    """The section of the table."""
    what: str
    """What was measured, with its unit where it is no ratio."""
    value: float
    low: float
    high: float
    """The quartiles between which half of the single measurements lie."""
    bar: Bar | None = None
    """None: shown beside the others, as a limit or a peer."""

    @property
    def verdict(self) -> str:
        """`holds`, `short`, or nothing where there is no bar."""
        if self.bar is None:
            return ""
        return "holds" if self.bar.holds(self.value) else "short"


def row_of(part: str, what: str, values: Sequence[float], bar: Bar | None = None) -> Row:
    """A row from single measurements: the median and the quartiles."""
    low, middle, high = quartiles(values)
    return Row(part, what, middle, low, high, bar)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def interleaved(actions: Sequence[Callable[[], object]], rounds: int, repeats: int = 1) -> list[list[float]]:
    """Seconds that each action took in each round: all actions once a round, so that a slow moment meets all.

    `repeats`: how often an action is called in a row for one measurement; the seconds are those of one call.
    Every second round goes through the actions backwards.
    """
    seconds: list[list[float]] = [[] for _ in actions]
    for number in range(rounds):
        for position in _order(len(actions), number):
            start = time.perf_counter()
            for _ in range(repeats):
                actions[position]()
            seconds[position].append((time.perf_counter() - start) / repeats)
    return seconds


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Ratio by ratio: each numerator over the denominator of its own round."""
    return [top / bottom for top, bottom in zip(numerators, denominators, strict=True)]


def _order(count: int, number: int) -> Iterator[int]:
    positions = range(count)
    return iter(positions if number % 2 == 0 else reversed(positions))
