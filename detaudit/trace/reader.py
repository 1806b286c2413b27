"""Read a trace file. Runs no code from it, trusts nothing in it, imports no torch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from detaudit.errors import TraceError
from detaudit.model.trace import (
    Batch,
    Event,
    GeneratorState,
    Kind,
    Level,
    Phase,
    Place,
    Site,
    Step,
    Stream,
    StreamRole,
    TraceInfo,
)
from detaudit.trace.layout import (
    APPLICATION_ID,
    FORMAT_VERSION,
    IDENTITY,
    LOCATION,
    NO_DIGEST,
    TABLES,
    step_digest,
)

RECORD_AGAIN = "record it again with `detaudit record TARGET -o FILE`"


@dataclass(frozen=True, slots=True)
class StepHead:
    """A step without its events: enough to tell whether two runs agree on it."""

    index: int
    complete: bool
    digest: bytes
    events: int
    generators: tuple[GeneratorState, ...]


class TraceReader:
    """An open trace, for reading.

    Raises TraceError, at opening or later, for a file that is missing, empty, foreign, of another
    version, damaged or not made by detaudit.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise TraceError("trace-missing", f"no trace file at {self.path}", RECORD_AGAIN)
        if self.path.stat().st_size == 0:
            raise TraceError("trace-empty", f"{self.path} is empty", RECORD_AGAIN)
        uri = f"file:{quote(str(self.path.resolve()))}?mode=ro"
        try:
            self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from error
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
        meta = {key: self._json(value) for key, value in self._rows("SELECT key, value FROM meta")}
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
                exit_code=meta.get("exit_code"),
                seconds=meta.get("seconds"),
                overhead_seconds=meta.get("overhead_seconds"),
                problems=tuple(str(problem) for problem in meta.get("problems") or ()),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"its header is not readable ({error!r})") from error

    @cached_property
    def streams(self) -> tuple[Stream, ...]:
        """All streams, the main thread of the main process first."""
        rows = self._rows("SELECT id, role, process, thread FROM streams ORDER BY id")
        try:
            streams = [
                Stream(number, StreamRole(role), process, thread) for number, role, process, thread in rows
            ]
        except ValueError as error:
            raise self._damaged(str(error)) from error
        return tuple(sorted(streams, key=lambda stream: (stream.role is not StreamRole.MAIN, stream.id)))

    @cached_property
    def event_count(self) -> int:
        """Events in all streams."""
        ((count,),) = self._rows("SELECT COALESCE(SUM(events), 0) FROM steps")
        return int(count)

    def steps_completed(self, stream: int) -> int:
        """How many steps a stream completed."""
        rows = self._rows("SELECT COUNT(DISTINCT step) FROM steps WHERE stream=? AND complete=1", stream)
        ((count,),) = rows
        return int(count)

    def heads(self, stream: int) -> Iterator[StepHead]:
        """The steps of a stream in order, without their events; memory does not grow with their number."""
        columns = "step, complete, digest, events, generators"
        rows = self._rows(f"SELECT {columns} FROM steps WHERE stream=? ORDER BY step, part", stream)
        parts: list[tuple[Any, ...]] = []
        for row in rows:
            if parts and parts[0][0] != row[0]:
                yield self._head(parts)
                parts = []
            parts.append(row)
        if parts:
            yield self._head(parts)

    def step(self, stream: int, index: int) -> Step:
        """One step with its events. Raises KeyError if the stream has no such step."""
        columns = "step, complete, digest, events, generators, identity, location"
        query = f"SELECT {columns} FROM steps WHERE stream=? AND step=? ORDER BY part"
        rows = list(self._rows(query, stream, index))
        if not rows:
            raise KeyError(index)
        head = self._head(rows)
        events = [event for row in rows for event in self._events(row[3], row[5], row[6])]
        return Step(stream, index, head.complete, head.digest, tuple(events), head.generators)

    def batches(self, stream: int) -> Iterator[Batch]:
        """Where the batches of a stream came from, in order of arrival."""
        columns = "sequence, loader, iteration, number, worker, samples"
        for row in self._rows(f"SELECT {columns} FROM batches WHERE stream=? ORDER BY sequence", stream):
            samples = None if row[5] is None else tuple(self._json(row[5]))
            yield Batch(row[0], row[1], row[2], row[3], row[4], samples)

    def _head(self, parts: list[tuple[Any, ...]]) -> StepHead:
        step, _, _, _, _ = parts[0][:5]
        complete, generators = bool(parts[-1][1]), parts[-1][4]
        states = []
        for entry in filter(None, str(generators).split(",")):
            name, _, text = entry.partition("=")
            try:
                states.append(GeneratorState(name, bytes.fromhex(text)))
            except ValueError as error:
                raise self._damaged(f"generator states of step {step}") from error
        digest = step_digest([bytes(part[2]) for part in parts])
        return StepHead(int(step), complete, digest, sum(int(part[3]) for part in parts), tuple(states))

    def _events(self, count: int, identity: bytes, location: bytes) -> Iterator[Event]:
        if len(identity) != count * IDENTITY.size or len(location) != count * LOCATION.size:
            raise self._damaged("a step's events are cut")
        pairs = zip(IDENTITY.iter_unpack(identity), LOCATION.iter_unpack(location), strict=True)
        for (key, inputs, outputs), (site, sequence) in pairs:
            place = self._places.get(key)
            if place is None:
                raise self._damaged("an event names a place that is not in the file")
            yield Event(place, self._sites.get(site), sequence, _optional(inputs), _optional(outputs))

    @cached_property
    def _places(self) -> dict[bytes, Place]:
        rows = self._rows("SELECT key, phase, kind, root, module, name FROM places")
        try:
            return {row[0]: Place(Phase(row[1]), Kind(row[2]), row[3], row[4], row[5]) for row in rows}
        except ValueError as error:
            raise self._damaged(str(error)) from error

    @cached_property
    def _sites(self) -> dict[int, Site]:
        rows = self._rows("SELECT key, file, line, function, code, through FROM sites")
        return {row[0]: Site(*row[1:]) for row in rows}

    def _check_header(self) -> None:
        ((application,),) = self._rows("PRAGMA application_id")
        if application != APPLICATION_ID:
            raise TraceError("trace-foreign", f"{self.path} is not a detaudit trace", RECORD_AGAIN)
        ((version,),) = self._rows("PRAGMA user_version")
        if version != FORMAT_VERSION:
            message = f"{self.path} has trace format {version}; this detaudit reads format {FORMAT_VERSION}"
            raise TraceError(
                "trace-version", message, "use the detaudit version that recorded it, or " + RECORD_AGAIN
            )
        self._connection.execute("PRAGMA trusted_schema=OFF")
        # Exactly the tables that the writer makes: a view or a trigger could run on reading.
        found = dict(self._rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        if found != TABLES:
            raise self._damaged("its tables are not those of a trace")

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            raise self._damaged(str(error)) from error

    def _json(self, text: str | bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._damaged("a field is not JSON") from error

    def _damaged(self, detail: str) -> TraceError:
        return TraceError("trace-damaged", f"{self.path} is damaged: {detail}", RECORD_AGAIN)


def _optional(digest: bytes) -> bytes | None:
    return None if digest == NO_DIGEST else digest
