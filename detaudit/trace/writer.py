"""Write a trace while the program runs: safe at any moment against the death of the process.

Every `write_step` is one committed transaction, so a killed run leaves all its complete steps. Imports
neither torch nor numpy: it is loaded before the user's program, which may want to be first to do so.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from detaudit.model.data import LoaderIteration
from detaudit.model.sketch import Sketch
from detaudit.model.trace import Batch, Place, Site, StreamRole
from detaudit.trace.layout import (
    APPLICATION_ID,
    FORMAT_VERSION,
    KEY_BYTES,
    PAGE_BYTES,
    PROJECTION,
    TABLES,
    lines_key,
    pack_sequences,
)

_REMEMBERED_LINES = 1024


@dataclass(frozen=True, slots=True)
class PackedStep:
    """One part of a step, packed for the file (see `layout`)."""

    stream: int
    step: int
    part: int
    complete: bool
    identity: bytes
    sites: bytes
    """The site keys of the events."""
    sequences: Sequence[int]
    """The sequence numbers of the events, rising."""
    generators: str
    copies: Mapping[str, bytes] = field(default_factory=dict)
    """The events of weights of which several ranks hold copies, packed, by those ranks: `0,1,2,3`."""


class TraceWriter:
    """An open trace. Safe to call from several threads; must not be used after a fork.

    Raises sqlite3.Error if the file cannot be written (a full disk, say); the recorder decides what then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        # isolation_level=None: transactions are explicit, one per step.
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._pending: deque[tuple[str, tuple[object, ...]]] = deque()
        self._numbers = itertools.count(1)
        self._lines: set[bytes] = set()
        """Keys of lines that are in the file already; not all of them."""
        self._create()

    def _create(self) -> None:
        execute = self._connection.execute
        execute(f"PRAGMA page_size={PAGE_BYTES}")
        execute(f"PRAGMA application_id={APPLICATION_ID}")
        execute(f"PRAGMA user_version={FORMAT_VERSION}")
        # A write-ahead log without waiting for the disk survives the death of the process,
        # which is what must be survived, and not that of the machine.
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=OFF")
        execute("BEGIN")
        for statement in TABLES.values():
            execute(statement)
        execute("COMMIT")

    def add_place(self, key: bytes, place: Place) -> None:
        """Announce the place that a key (`layout.place_key`) stands for."""
        module = None if place.module is None else _text(place.module)
        row = (key, place.phase.value, place.kind.value, _text(place.root), module, _text(place.name))
        self._pending.append(("INSERT OR IGNORE INTO places VALUES (?,?,?,?,?,?)", row))

    def add_site(self, key: bytes, site: Site) -> None:
        """Announce the source line that a key (`layout.site_key`) stands for."""
        row = (key, _text(site.file), site.line, _text(site.function), _text(site.code), _text(site.through))
        self._pending.append(("INSERT OR IGNORE INTO sites VALUES (?,?,?,?,?,?)", row))

    def add_stream(self, number: int, role: StreamRole, process: str, thread: str) -> None:
        """Announce a stream."""
        self._pending.append(
            ("INSERT INTO streams VALUES (?,?,?,?)", (number, role.value, _text(process), _text(thread)))
        )

    def rename_process(self, process: str, role: StreamRole) -> None:
        """Give the streams, which are those of one process, its new name; its main thread gets the role."""
        self._pending.append(("UPDATE streams SET process=?, role='thread'", (_text(process),)))
        self._pending.append(("UPDATE streams SET role=? WHERE thread='main'", (role.value,)))

    def add_batch(self, stream: int, batch: Batch) -> None:
        """Note where a batch came from."""
        samples = None if batch.samples is None else json.dumps(batch.samples, separators=(",", ":")).encode()
        place = (stream, batch.sequence, batch.loader, batch.iteration, batch.index)
        row = (*place, batch.worker, batch.step, batch.content, samples)
        self._pending.append(("INSERT INTO batches VALUES (?,?,?,?,?,?,?,?,?)", row))

    def set_iteration(self, stream: int, one: LoaderIteration) -> None:
        """Note what is known of a pass over a loader, in place of what was noted before."""
        names = (_text(one.dataset), _text(one.sampler))
        facts = (one.shuffles, one.covers, one.iterable, one.droppable, one.length, one.workers)
        processes = ",".join(map(str, one.processes))
        row = (stream, one.loader, one.iteration, *names, *facts, processes, one.round, one.exhausted)
        statement = "INSERT OR REPLACE INTO iterations VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
        self._pending.append((statement, row))

    def add_fetch(
        self, stream: int, step: int, *, round_: int, number: int, process: int, before: str
    ) -> None:
        """Note which batch, of which of its passes, a worker made in a step."""
        row = (stream, round_, step, number, process, _text(before))
        self._pending.append(("INSERT INTO fetches VALUES (?,?,?,?,?,?)", row))

    def add_ledger(self, row: tuple[object, ...]) -> None:
        """Note an entry of the ledger, as `layout.TABLES` has its columns."""
        cells = tuple(_text(cell) if isinstance(cell, str) else cell for cell in row)
        self._pending.append(("INSERT INTO ledger VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", cells))

    def add_sketch(self, digest: bytes, sketch: Sketch) -> None:
        """Note the sketch of the value that has this digest."""
        projection = PROJECTION.pack(*sketch.projection)
        row = (digest, sketch.norm, sketch.total, sketch.count, sketch.not_finite, projection)
        self._pending.append(("INSERT OR IGNORE INTO sketches VALUES (?,?,?,?,?,?)", row))

    def set_meta(self, key: str, value: object) -> None:
        """Set one entry of the header; `value` must be what JSON can hold."""
        self._pending.append(("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, json.dumps(value))))

    def write_step(self, step: PackedStep) -> None:
        """Commit one part of a step and all that was announced before it."""
        number, lines = next(self._numbers), lines_key(step.sites)
        if lines not in self._lines:
            if len(self._lines) >= _REMEMBERED_LINES:
                self._lines.clear()
            self._lines.add(lines)
            self._pending.append(("INSERT OR IGNORE INTO lines VALUES (?,?)", (lines, step.sites)))
        packed = (number, step.identity, pack_sequences(step.sequences))
        self._pending.append(("INSERT INTO packed VALUES (?,?,?)", packed))
        key = (step.stream, step.step, step.part)
        what = (xxhash.xxh3_128_digest(step.identity), len(step.sites) // KEY_BYTES, step.generators)
        first = step.sequences[0] if step.sequences else 0
        row = (*key, int(step.complete), *what, first, lines, number)
        self._pending.append(("INSERT INTO steps VALUES (?,?,?,?,?,?,?,?,?,?)", row))
        for ranks, events in step.copies.items():
            digest = xxhash.xxh3_128_digest(events)
            self._pending.append(("INSERT INTO copies VALUES (?,?,?,?,?)", (*key, ranks, digest)))
        self.flush()

    def flush(self) -> None:
        """Commit what was announced."""
        with self._lock:
            # Other threads may announce more meanwhile; what a thread announces stays in front of its step.
            count = len(self._pending)
            if not count:
                return
            execute = self._connection.execute
            execute("BEGIN")
            try:
                for _ in range(count):
                    execute(*self._pending.popleft())
            except BaseException:
                execute("ROLLBACK")
                raise
            execute("COMMIT")

    def close(self) -> None:
        """Commit and close; folds the write-ahead log into the file."""
        self.flush()
        with self._lock:
            self._connection.close()


def _text(text: str) -> str:
    """Escape the half characters (surrogates) of a text, as in file names that are not UTF-8, for SQLite."""
    return text.encode("utf-8", "backslashreplace").decode()
