"""Threads that draw from the generators that the main thread uses: when they do so is a matter of timing.

Held by giving the generator back, after each such draw, the state that it had before.
"""

from __future__ import annotations

import threading

from detaudit.model.cause import Cause
from detaudit.model.ledger import EntryPair
from detaudit.sources.line_draws import leaves_no_trace
from detaudit.sources.observation import naming
from detaudit.sources.source import Situation, Source, Suspicion
from detaudit.sources.taps import Taps

NAME = "side-draws"


def isolates(taps: Taps) -> bool:
    """Say whether a draw that is made now must leave no trace in a global generator."""
    if taps.holds(NAME) and threading.current_thread() is not threading.main_thread():
        return True
    return leaves_no_trace(taps)


def _in_side_thread(pair: EntryPair, _situation: Situation) -> bool:
    return not pair.entry.in_main_thread and pair.entry.draws_or_seeds_globally


SOURCE = Source(
    name=NAME,
    words="draws of side threads from the global random generators",
    causes=(Cause.RNG_DRIFT,),
    suspicion=Suspicion(79, concerns_others=_in_side_thread),
    name_fault=naming(
        Cause.RNG_DRIFT,
        "{entry.operation} draws from the global generator in a thread, at a moment that depends on timing",
    ),
)
