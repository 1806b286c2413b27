"""Read a trace file. Runs no code from it, trusts nothing in it, imports no torch."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import xxhash

from detaudit.errors import TraceError
from detaudit.model.codec import from_plain
from detaudit.model.trace import (
    Batch,
    Event,
    Kind,
    Level,
    Phase,
    Place,
    Rank,
    Site,
    Step,
    Stream,
    StreamRole,
    TraceInfo,
)
from detaudit.trace.layout import (
    FORMAT_VERSION,
    HEAD_TYPES,
    HEADER_SIZE,
    HEADS,
    IDENTITY,
    KEY_BYTES,
    NO_DIGEST,
    TABLES,
    StepHead,
    database_size,
    head_of,
    is_trace,
    unpack_sequences,
)

RECORD_AGAIN = "record it again with `detaudit record TARGET -o FILE`"

EVENT_TYPES = (*HEAD_TYPES, int, bytes, bytes, bytes | None)
"""Types of the same columns, and of first, identity, sites, sequences."""
BATCH_TYPES = (int, int, int, int, int | None, int, bytes | None, bytes | None)
"""Types of the columns that `batches` reads."""


class TraceReader:
    """An open trace, for reading.

    Raises TraceError, at opening or later, for a file that is missing, empty, foreign, of another
    version, damaged or not made by detaudit.
    """

    def __init__(self, path: Path | str, *, at_rest: bool = False) -> None:
        """Open a trace. One `at_rest` is not written any more, so it needs no locks: network file systems."""
        self.path = Path(path)
        self._check_file()
        uri = f"file:{quote(os.fsencode(self.path.resolve()))}?mode=ro{'&immutable=1' if at_rest else ''}"
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise self.damaged(str(error)) from error
        try:
            self._check_header()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @cached_property
    def info(self) -> TraceInfo:
        """The header: level, environment, exit status."""
        meta = {
            key: self._json(value)
            for key, value in self.rows("SELECT key, value FROM meta", types=(str, str))
        }
        try:
            return TraceInfo(
                detaudit=str(meta["detaudit"]),
                digest=str(meta["digest"]),
                level=Level(meta["level"]),
                target=str(meta["target"]),
                environment=dict(meta.get("environment") or {}),
                conditions=dict(meta.get("conditions") or {}),
                started=float(meta["started"]),
                finished=bool(meta.get("finished", False)),
                stopped=bool(meta.get("stopped", False)),
                exit_code=_whole(meta.get("exit_code")),
                seconds=_number(meta.get("seconds")),
                overhead_seconds=_number(meta.get("overhead_seconds")),
                problems=tuple(str(problem) for problem in meta.get("problems") or ()),
                ranks=tuple(from_plain(Rank, rank, "ranks") for rank in meta.get("ranks") or ()),
                launch=tuple(str(name) for name in meta.get("launch") or ()),
                nested=tuple(str(asked) for asked in meta.get("nested") or ()),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged(f"its header is not readable ({error!r})") from error

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """All streams, the main thread of the main process first."""
        query = "SELECT id, role, process, thread FROM streams ORDER BY id"
        rows = self.rows(query, types=(int, str, str, str))
        try:
            streams = [
                Stream(number, StreamRole(role), process, thread) for number, role, process, thread in rows
            ]
        except ValueError as error:
            raise self.damaged(str(error)) from error
        return tuple(sorted(streams, key=lambda stream: (stream.role is not StreamRole.MAIN, stream.id)))

    @cached_property
    def event_count(self) -> int:
        """Events in all streams."""
        ((count,),) = self.rows("SELECT COALESCE(SUM(events), 0) FROM steps")
        return int(count)

    def steps_begun(self, stream: int) -> int:
        """Give the number of a stream's last step, counted from 1; quick, however long the trace is."""
        rows = self.rows(
            "SELECT step FROM steps WHERE stream=? ORDER BY step DESC, part DESC LIMIT 1", stream
        )
        return next((int(step) + 1 for (step,) in rows), 0)

    def steps_completed(self, stream: int) -> int:
        """Count the steps that a stream completed; quick, however long the trace is."""
        # Steps are numbered in order, and only the last one can be left incomplete.
        rows = self.rows(
            "SELECT step FROM steps WHERE stream=? AND complete=1 ORDER BY step DESC LIMIT 1", stream
        )
        return next((int(step) + 1 for (step,) in rows), 0)

    def last_steps(self, stream: int, count: int) -> list[int]:
        """List the numbers of a stream's last `count` steps, in order."""
        query = "SELECT DISTINCT step FROM steps WHERE stream=? ORDER BY step DESC LIMIT ?"
        return [int(step) for (step,) in self.rows(query, stream, count, types=(int,))][::-1]

    def head(self, stream: int, index: int) -> StepHead | None:
        """Read one step without its events; None if the stream has no such step."""
        rows = list(self.rows(HEADS + "stream=? AND step=? ORDER BY part", stream, index, types=HEAD_TYPES))
        return head_of(rows) if rows else None

    def heads(self, stream: int) -> Iterator[StepHead]:
        """Read the steps of a stream in order, without events; memory does not grow with their number."""
        rows = self.rows(HEADS + "stream=? ORDER BY step, part", stream, types=HEAD_TYPES)
        parts: list[tuple[Any, ...]] = []
        for row in rows:
            if parts and parts[0][0] != row[0]:
                yield head_of(parts)
                parts = []
            parts.append(row)
        if parts:
            yield head_of(parts)

    def step(self, stream: int, index: int) -> Step:
        """One step with its events. Raises KeyError if the stream has no such step."""
        query = (
            "SELECT step, complete, digest, events, generators, first, identity, sites, sequences FROM steps "
            "LEFT JOIN packed ON packed.number=steps.packed LEFT JOIN lines ON lines.key=steps.lines "
            "WHERE stream=? AND step=? ORDER BY part"
        )
        rows = list(self.rows(query, stream, index, types=EVENT_TYPES))
        if not rows:
            raise KeyError(index)
        if any(xxhash.xxh3_128_digest(row[6]) != row[2] for row in rows):
            raise self.damaged(f"the events of step {index} do not fit their digest")
        head = head_of(rows)
        events = [event for row in rows for event in self._events(row[3], *row[5:])]
        return Step(stream, index, head.complete, head.digest, tuple(events))

    def batches(self, stream: int) -> Iterator[Batch]:
        """Where the batches of a stream came from, in order of arrival."""
        columns = "sequence, loader, iteration, number, worker, step, content, samples"
        query = "SELECT " + columns + " FROM batches WHERE stream=? ORDER BY sequence"  # noqa: S608 - constants
        for row in self.rows(query, stream, types=BATCH_TYPES):
            sequence, loader, iteration, number, worker, step, content, text = row
            samples = None if text is None else self._json(text)
            if samples is not None and not (
                isinstance(samples, list) and all(isinstance(sample, int) for sample in samples)
            ):
                raise self.damaged("the samples of a batch are not a list of numbers")
            given = None if samples is None else tuple(samples)
            yield Batch(sequence, loader, iteration, number, worker, given, step, content)

    def _events(
        self, count: int, first: int, identity: bytes, sites: bytes, sequences: bytes | None
    ) -> Iterator[Event]:
        if len(identity) != count * IDENTITY.size or len(sites) != count * KEY_BYTES:
            raise self.damaged("a step's events are cut")
        try:
            numbers = unpack_sequences(first, count, sequences)
        except struct.error as error:
            raise self.damaged("the sequence numbers of a step are cut") from error
        keys = (sites[start : start + KEY_BYTES] for start in range(0, len(sites), KEY_BYTES))
        together = zip(IDENTITY.iter_unpack(identity), keys, numbers, strict=True)
        for (key, inputs, outputs), site, sequence in together:
            place = self.places.get(key)
            if place is None:
                raise self.damaged("an event names a place that is not in the file")
            given, made = None if inputs == NO_DIGEST else inputs, None if outputs == NO_DIGEST else outputs
            yield Event(place, self.sites.get(site), sequence, given, made)

    @cached_property
    def places(self) -> dict[bytes, Place]:
        """The places by their keys (`layout.place_key`)."""
        query = "SELECT key, phase, kind, root, module, name FROM places"
        rows = self.rows(query, types=(bytes, str, str, str, str | None, str))
        try:
            return {row[0]: Place(Phase(row[1]), Kind(row[2]), row[3], row[4], row[5]) for row in rows}
        except ValueError as error:
            raise self.damaged(str(error)) from error

    @cached_property
    def sites(self) -> dict[bytes, Site]:
        """The source lines by their keys (`layout.site_key`)."""
        query = "SELECT key, file, line, function, code, through FROM sites"
        rows = self.rows(query, types=(bytes, str, int, str, str, str))
        return {row[0]: Site(*row[1:]) for row in rows}

    def _check_file(self) -> None:
        if not self.path.is_file():
            raise TraceError("trace-missing", f"no trace file at {self.path}", RECORD_AGAIN)
        try:
            with self.path.open("rb") as file:
                start = file.read(HEADER_SIZE)
        except OSError as error:
            message = f"{self.path} cannot be read: {error.strerror or error}"
            raise TraceError("trace-unreadable", message, "check its permissions") from error
        if not start:
            raise TraceError("trace-empty", f"{self.path} is empty", RECORD_AGAIN)
        if not is_trace(start):
            raise TraceError("trace-foreign", f"{self.path} is not a detaudit trace", RECORD_AGAIN)
        # SQLite fills up what is missing of the last page; a write-ahead log may hold it.
        has_log = self.path.with_name(self.path.name + "-wal").exists()
        if not has_log and self.path.stat().st_size < database_size(start):
            raise self.damaged("it is cut")

    def _check_header(self) -> None:
        ((version,),) = self.rows("PRAGMA user_version")
        if version != FORMAT_VERSION:
            message = f"{self.path} has trace format {version}; this detaudit reads format {FORMAT_VERSION}"
            raise TraceError(
                "trace-version", message, "use the detaudit version that recorded it, or " + RECORD_AGAIN
            )
        self._connection.execute("PRAGMA trusted_schema=OFF")
        # Exactly the tables that the writer makes: a view or a trigger could run on reading.
        found = dict(self.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if found != TABLES:
            raise self.damaged("its tables are not those of a trace")

    def rows(self, query: str, *values: object, types: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Run a query and check its types: a column of SQLite can hold any, whatever was declared."""
        try:
            for row in self._connection.execute(query, values):
                if types and not all(map(isinstance, row, types)):
                    raise self.damaged("a field has the wrong type")
                yield row
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            raise self.damaged(str(error)) from error

    def _json(self, text: str | bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.damaged("a field is not JSON") from error

    def damaged(self, detail: str) -> TraceError:
        """Make the error for a damaged trace."""
        return TraceError("trace-damaged", f"{self.path} is damaged: {detail}", RECORD_AGAIN)


def _whole(value: object) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError(value)
    return value


def _number(value: object) -> float | None:
    if value is not None and not isinstance(value, int | float):
        raise TypeError(value)
    return None if value is None else float(value)
