"""The ledger: which line drew which random numbers, or read what from outside, how often, in which phase.

Kept in memory, one entry for each (source, operation, subject, line) of a step; the recorder writes it out
with the step.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from xxhash import xxh3_64_digest

from detaudit.model.ledger import Fact

SHOWN = 60
"""The most characters of a value that are kept for a reader."""


@dataclass(slots=True)
class LedgerLine:
    """All that one line did with one thing in one step."""

    source: str
    operation: str
    """The name of the call: `numpy.random.normal`, `time.time`."""
    fact: Fact
    """The action, with the generator or thing to which it was done."""
    site: bytes
    phase: str
    sequence: int
    """Position of the first call among all events of the process."""
    count: int = 0
    amount: int = 0
    """Count of the numbers that were drawn; for reads, equal to `count`."""
    digest: bytes = b""
    """Digest over all values, in order."""
    shown: str = ""
    """The first value, for a reader."""

    def add(self, value: bytes, amount: int) -> None:
        """Take in one more call."""
        self.count += 1
        self.amount += amount
        self.digest = xxh3_64_digest(self.digest + value)


LedgerKey = tuple[str, str, Fact, bytes, str]


class NotingThread(NamedTuple):
    """The thread that noted an entry."""

    name: str
    is_main: bool
    """Whether this is the main thread of its process, whatever its name."""


class Ledger:
    """The entries of this process that are not written yet."""

    def __init__(self) -> None:
        self.sequence = itertools.count()
        """Shared with the recorder, so that reads and events have one order."""
        self.phase: Callable[[], str] = lambda: "init"
        self._threads: dict[int, dict[LedgerKey, LedgerLine]] = {}
        self._names: dict[int, NotingThread] = {}

    def note(
        self,
        source: str,
        operation: str,
        site: bytes,
        value: bytes,
        fact: Fact,
        *,
        shown: str = "",
        amount: int = 1,
    ) -> LedgerLine:
        """Note one call in the calling thread."""
        thread = threading.get_ident()
        entries = self._threads.get(thread)
        if entries is None:
            entries = self._threads[thread] = {}
            self._names[thread] = _current_thread()
        phase = self.phase()
        key = (source, operation, fact, site, phase)
        entry = entries.get(key)
        if entry is None:
            entry = LedgerLine(source, operation, fact, site, phase, next(self.sequence), shown=shown[:SHOWN])
            entries[key] = entry
        entry.add(value, amount)
        return entry

    def retract(self, source: str, operation: str, site: bytes, fact: Fact) -> None:
        """Take back the calling thread's last call of an operation at a line, if it is not written yet."""
        entries = self._threads.get(threading.get_ident(), {})
        for key, entry in reversed(entries.items()):
            if (entry.source, entry.operation, entry.site, entry.fact) == (source, operation, site, fact):
                entry.count -= 1
                entry.amount -= 1
                if not entry.count:
                    del entries[key]
                return

    def take(self, thread: int | None = None) -> Iterator[tuple[NotingThread, LedgerLine]]:
        """Hand over the entries of a thread (by its identifier), or of all, each with its thread."""
        for owner in [thread] if thread is not None else list(self._threads):
            for entry in self._threads.pop(owner, {}).values():
                yield self._names[owner], entry

    def forget(self) -> None:
        """Start over, in a forked child: what the parent noted is the parent's."""
        self._threads.clear()
        self._names.clear()


def _current_thread() -> NotingThread:
    thread = threading.current_thread()
    return NotingThread(thread.name, thread is threading.main_thread())
