"""The ledger of a trace: draws of random numbers and reads of the outside world, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from detaudit.model.trace import LedgerEntry
from detaudit.trace.reader import TraceReader

_QUERY = (
    "SELECT stream, step, thread, sequence, source, operation, subject, phase, site, count, amount, digest, "
    "shown FROM ledger ORDER BY stream, sequence"
)
_TYPES = (int, int, str, int, str, str, str, str, bytes, int, int, bytes, str)


def read_ledger(reader: TraceReader) -> Iterator[LedgerEntry]:
    """All entries, those of each stream in the order of their first calls."""
    for row in reader.rows(_QUERY, types=_TYPES):
        stream, step, thread, sequence, source, operation, subject, phase, key, *values = row
        what = (source, operation, subject, phase)
        site = reader.sites.get(key)
        yield LedgerEntry(stream, step, thread, sequence, *what, site, key, *values)
