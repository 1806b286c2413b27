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
    only_varied = (BY_NAME[one.source] for one in varied if BY_NAME[one.source] not in SOURCES)
    for source in (*SOURCES, *only_varied):
        if source.tap is not None:
            source.tap(taps)
    return taps
