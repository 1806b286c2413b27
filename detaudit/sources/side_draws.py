"""Threads that draw from the generators that the main thread uses: when they do so is a matter of timing.

Held by giving the generator back, after each such draw, the state that it had before.
"""

from __future__ import annotations

import threading

from detaudit.sources.line_draws import leaves_no_trace
from detaudit.sources.source import Source
from detaudit.sources.taps import Taps

NAME = "side-draws"


def isolates(taps: Taps) -> bool:
    """Whether a draw that is made now is to leave no trace in a global generator."""
    if taps.holds(NAME) and threading.current_thread() is not threading.main_thread():
        return True
    return leaves_no_trace(taps)


SOURCE = Source(
    name=NAME,
    words="draws of side threads from the global random generators",
    causes=("rng-drift",),
)
