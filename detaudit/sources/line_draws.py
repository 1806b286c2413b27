"""Lines that draw from the global generators more often in one run, and shift all that is drawn after them.

Held for single lines, by giving the generator back, after each draw there, the state that it had before.
"""

from __future__ import annotations

from detaudit.model.cause import Cause
from detaudit.sources.source import Source
from detaudit.sources.taps import Taps

NAME = "line-draws"


def leaves_no_trace(taps: Taps) -> bool:
    """Say whether the line that draws now must not shift the draws of other lines."""
    return taps.holds(NAME) and taps.holds(NAME, taps.lines.here())


SOURCE = Source(
    name=NAME,
    words="the effect of that line's draws on the global random generators",
    causes=(Cause.RNG_DRIFT,),
)
