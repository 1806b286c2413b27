"""The ledger of a trace: draws of random numbers and reads of the outside world, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from detaudit.model.ledger import Act, Fact, LedgerEntry, Whose
from detaudit.trace.reader import TraceReader

_QUERY = (
    "SELECT stream, step, thread, in_main_thread, sequence, source, operation, act, whose, about, phase, "
    "site, count, amount, digest, shown FROM ledger ORDER BY stream, sequence"
)
_TYPES = (int, int, str, int, int, str, str, str, str, str, str, bytes, int, int, bytes, str)


def read_ledger(reader: TraceReader) -> Iterator[LedgerEntry]:
    """Read all entries, those of each stream in the order of their first calls.

    Raises TraceError if an entry says what this version does not know.
    """
    for row in reader.rows(_QUERY, types=_TYPES):
        stream, step, thread, is_main, sequence, source, operation, act, whose, about, phase, key, *values = (
            row
        )
        try:
            fact = Fact(Act(act), Whose(whose), about)
        except ValueError as error:
            raise reader.damaged(str(error)) from error
        what = (source, operation, fact, phase, reader.sites.get(key), key)
        yield LedgerEntry(stream, step, thread, bool(is_main), sequence, *what, *values)
