"""Put the taps of all sources in place, in the audited process, before its program starts."""

from __future__ import annotations

from detaudit.model.plan import Intervention
from detaudit.sources.catalogue import BY_NAME, SOURCES
from detaudit.sources.ledger import Ledger
from detaudit.sources.taps import Lines, Taps


def put_taps(
    lines: Lines, held: tuple[Intervention, ...] = (), varied: tuple[Intervention, ...] = ()
) -> Taps:
    """Watch every source; hold or vary those that the run asks for."""
    taps = Taps(lines, Ledger(), held, varied)
    asked_for = (BY_NAME[one.source] for one in (*held, *varied))
    for source in (*SOURCES, *(one for one in asked_for if one not in SOURCES)):
        if source.tap is not None:
            source.tap(taps)
    return taps
