"""Find which of many sources, or lines, are needed: hold some together, and halve (group testing).

With all of them held the runs are equal. Dividing finds a smallest set with which they still are, in a number
of trials that grows with the logarithm of the number of sources (QuickXplain: Junker, AAAI 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from detaudit.diagnose.trials import SourceTrial

Held = TypeVar("Held")
"""What is held fixed: a source, or a line of one."""
Hold = Callable[[Sequence[Held], str], SourceTrial]
"""Holds some of them, and says why to the user."""

DIVIDING = "which of them is it?"
DROPPING = "one of them makes the program fail"


def needed(candidates: Sequence[Held], hold: Hold[Held]) -> list[Held]:
    """Find the sources that must be held for the runs to be equal; the likeliest candidates stand first.

    With all candidates held, the runs were equal.
    """
    return _needed([], [], list(candidates), hold)


def _needed(fixed: list[Held], added: list[Held], candidates: list[Held], hold: Hold[Held]) -> list[Held]:
    """Find what is needed of the candidates beside what is fixed, to which `added` has come last."""
    if added and hold(fixed, DIVIDING).settled:
        return []
    if len(candidates) == 1:
        return candidates
    middle = (len(candidates) + 1) // 2
    likelier, rest = candidates[:middle], candidates[middle:]
    of_rest = _needed([*fixed, *likelier], likelier, rest, hold)
    of_likelier = _needed([*fixed, *of_rest], of_rest, likelier, hold)
    return [*of_likelier, *of_rest]


def bearable(candidates: Sequence[Held], hold: Hold[Held]) -> tuple[list[Held], list[Held], SourceTrial]:
    """Leave out the sources that make the program fail when they are held.

    Gives those that can be held, those that cannot, and the trial with all that can.
    """
    trial = hold(candidates, "all at once: is it any of them?")
    if trial.failed is None:
        return list(candidates), [], trial
    failing = [one for half in _halves(candidates) for one in _failing(half, hold)]
    left = [one for one in candidates if one not in failing]
    if not failing or not left:
        return left, failing, trial
    return left, failing, hold(left, "all at once, but for those that make the program fail")


def _failing(candidates: Sequence[Held], hold: Hold[Held]) -> list[Held]:
    if not candidates or hold(candidates, DROPPING).failed is None:
        return []
    if len(candidates) == 1:
        return list(candidates)
    return [one for half in _halves(candidates) for one in _failing(half, hold)]


def _halves(candidates: Sequence[Held]) -> tuple[Sequence[Held], Sequence[Held]]:
    middle = (len(candidates) + 1) // 2
    return candidates[:middle], candidates[middle:]
