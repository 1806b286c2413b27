"""Find which of several lines lets a source reach the numbers: hold the source at one line alone."""

from __future__ import annotations

from collections.abc import Sequence

from detaudit.diagnose.narrowing import needed
from detaudit.diagnose.search import Fault, Search, enough_steps, moved
from detaudit.diagnose.trials import Trial

MOST_LINES = 24
"""Among more lines nobody looks for the one: the answer would cost more runs than it is worth."""
WHY = "is it this line?"


def prove_line(search: Search, fault: Fault) -> None:
    """Keep only the lines of a fault that are needed for it, where several lines come into question.

    The line that would be named is tried first. Where the runs differ with it held, and with all others held,
    several lines are at fault, and each becomes a fault of its own. Where lines explain nothing, all stay.
    """
    keys = list(dict.fromkeys(pair.entry.site_key for pair in fault.pairs if pair.entry.site is not None))
    if not fault.source.held_by_line or not 1 < len(keys) <= MOST_LINES:
        return
    likely = fault.likely_line()
    ordered = [*(key for key in keys if key == likely), *(key for key in reversed(keys) if key != likely)]

    def hold(lines: Sequence[bytes], why: str) -> Trial:
        return search.hold_lines(fault, lines, why, enough_steps(fault.comparison))

    if _explains(hold(ordered[:1], WHY), fault):
        fault.keep_lines(ordered[:1])
        return
    rest = ordered[1:]
    if _explains(hold(rest, "is it one of the other lines?"), fault):
        fault.keep_lines(needed(rest, hold))
    elif hold(ordered, "are several of the lines at fault?").settled:
        guilty = needed(ordered, hold)
        fault.keep_lines(guilty)
        search.divide(fault, guilty)


def _explains(trial: Trial, fault: Fault) -> bool:
    """Say whether the runs are equal or part later: then the line had a part in the first difference."""
    if trial.failed is not None:
        return False
    first = fault.comparison.first
    return trial.different is None or moved(first, trial.different.first)
