"""Read parts of a trace that are rarely needed: ledger, sketches, passes, fetches, generators, identities."""

from __future__ import annotations

from collections.abc import Iterator

import xxhash

from detaudit.model.data import Fetch, LoaderIteration
from detaudit.model.ledger import Act, Fact, LedgerEntry, Whose
from detaudit.model.sketch import Sketch
from detaudit.model.trace import GeneratorState, Kind, StreamRole
from detaudit.trace.layout import IDENTITY, PROJECTION
from detaudit.trace.reader import TraceReader

_ITERATIONS = (
    "SELECT loader, iteration, dataset, sampler, shuffles, covers, iterable, droppable, length, "
    "workers, processes, round, exhausted FROM iterations WHERE stream=? ORDER BY loader, iteration"
)
_ITERATION_TYPES = (int, int, str, str, int, int, int, int | None, int | None, int, str, int, int)
_LAST_BATCHES = (
    "SELECT loader, iteration, MAX(sequence) FROM batches WHERE stream=? GROUP BY loader, iteration"
)
_PROCESSES = "SELECT stream, MIN(process) FROM fetches GROUP BY stream ORDER BY stream"
_IDENTITIES = (
    "SELECT digest, identity FROM steps JOIN packed ON packed.number=steps.packed "
    "WHERE stream=? AND step=? ORDER BY part"
)
_FETCHES = (
    "SELECT fetches.step, number, before, generators FROM fetches "
    "JOIN steps ON steps.stream=fetches.stream AND steps.step=fetches.step AND part=0 "
    "WHERE fetches.stream=? AND round=? ORDER BY fetches.step LIMIT ?"
)

_LEDGER = (
    "SELECT stream, step, thread, in_main_thread, sequence, source, operation, act, whose, about, phase, "
    "site, count, amount, digest, shown FROM ledger ORDER BY stream, sequence"
)
_LEDGER_TYPES = (int, int, str, int, int, str, str, str, str, str, str, bytes, int, int, bytes, str)

_SKETCH = "SELECT norm, total, count, not_finite, projection FROM sketches WHERE digest=?"
_SKETCH_TYPES = (float, float, int, int, bytes)


def read_iterations(reader: TraceReader, stream: int) -> Iterator[LoaderIteration]:
    """Read the passes over loaders that a stream began: loader by loader, each in order."""
    for row in reader.rows(_ITERATIONS, stream, types=_ITERATION_TYPES):
        yield LoaderIteration(
            loader=row[0],
            iteration=row[1],
            dataset=row[2],
            sampler=row[3],
            shuffles=bool(row[4]),
            covers=bool(row[5]),
            iterable=bool(row[6]),
            droppable=row[7],
            length=row[8],
            workers=row[9],
            processes=_numbers(reader, row[10]),
            round=row[11],
            exhausted=bool(row[12]),
        )


def read_last_batches(reader: TraceReader, stream: int) -> dict[tuple[int, int], int]:
    """Read the sequence number of the last batch of each pass, by loader and iteration."""
    rows = reader.rows(_LAST_BATCHES, stream, types=(int, int, int))
    return {(loader, iteration): sequence for loader, iteration, sequence in rows}


def read_worker_processes(reader: TraceReader) -> Iterator[tuple[int, int]]:
    """Read the streams of loader workers, in order of start, and the process number of each."""
    for row in reader.rows(_PROCESSES, types=(int, int)):
        yield int(row[0]), int(row[1])


def read_fetches(reader: TraceReader, stream: int, round_: int, limit: int) -> Iterator[Fetch]:
    """Read the first `limit` batches that a worker made in one of its passes, in order."""
    rows = reader.rows(_FETCHES, stream, round_, limit, types=(int, int, str, str))
    for step, number, before, after in rows:
        yield Fetch(step, number, read_states(reader, before), read_states(reader, after))


def _numbers(reader: TraceReader, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(",") if number)
    except ValueError as error:
        raise reader.damaged("the process numbers of a loader's workers") from error


def read_identities(reader: TraceReader, stream: int, index: int) -> list[bytes]:
    """Read the packed identities (`layout.IDENTITY`) of a step's events, in order, for a quick comparison."""
    rows = list(reader.rows(_IDENTITIES, stream, index, types=(bytes, bytes)))
    if any(xxhash.xxh3_128_digest(identity) != digest for digest, identity in rows):
        raise reader.damaged(f"the events of step {index} do not fit their digest")
    size = IDENTITY.size
    return [packed[start : start + size] for _, packed in rows for start in range(0, len(packed), size)]


def read_step_rows(reader: TraceReader, stream: int) -> Iterator[tuple[int, int, int, bytes, str, int]]:
    """Read what tells whether runs agree: step, part, complete, digest, generators, events of each part."""
    columns = "step, part, complete, digest, generators, events"
    query = f"SELECT {columns} FROM steps WHERE stream=? ORDER BY step, part"  # noqa: S608 - names of columns
    yield from reader.rows(query, stream)


def steps_completed(reader: TraceReader) -> int:
    """Count the steps of the main thread or, if that has none, of the thread or process with most steps."""
    counts = {stream: reader.steps_completed(stream.id) for stream in reader.streams}
    main = sum(count for stream, count in counts.items() if stream.role is StreamRole.MAIN)
    return main or max(counts.values(), default=0)


def read_moving_buffers(reader: TraceReader) -> frozenset[str]:
    """Find the outermost modules with a buffer that the training changes (a running average, say)."""
    values: dict[tuple[str, str | None, str], set[bytes | None]] = {}
    for stream in reader.streams:
        first = next((head.index for head in reader.heads(stream.id)), None)
        last = reader.steps_completed(stream.id) - 1
        for index in dict.fromkeys((first, last)):
            if index is None or reader.head(stream.id, index) is None:
                continue
            for event in reader.step(stream.id, index).events:
                place = event.place
                if place.kind is Kind.BUFFER:
                    values.setdefault((place.root, place.module, place.name), set()).add(event.outputs)
    return frozenset(root for (root, _, _), seen in values.items() if len(seen) > 1)


def read_states(reader: TraceReader, text: str) -> tuple[GeneratorState, ...]:
    """Take apart the states of generators, as a trace has them."""
    pairs = (entry.partition("=") for entry in filter(None, text.split(",")))
    try:
        return tuple(GeneratorState(name, bytes.fromhex(digest)) for name, _, digest in pairs)
    except ValueError as error:
        raise reader.damaged("the states of generators") from error


def read_ledger(reader: TraceReader) -> Iterator[LedgerEntry]:
    """Read all entries, those of each stream in the order of their first calls.

    Raises TraceError if an entry says what this version does not know.
    """
    for row in reader.rows(_LEDGER, types=_LEDGER_TYPES):
        stream, step, thread, is_main, sequence, source, operation, act, whose, about, phase, key, *values = (
            row
        )
        try:
            fact = Fact(Act(act), Whose(whose), about)
        except ValueError as error:
            raise reader.damaged(str(error)) from error
        what = (source, operation, fact, phase, reader.sites.get(key), key)
        yield LedgerEntry(stream, step, thread, bool(is_main), sequence, *what, *values)


def read_sketch(reader: TraceReader, digest: bytes | None) -> Sketch | None:
    """Read the sketch of the value that has this digest; None if the run made none.

    Raises TraceError for a damaged file.
    """
    if digest is None:
        return None
    for norm, total, count, not_finite, projection in reader.rows(_SKETCH, digest, types=_SKETCH_TYPES):
        if len(projection) != PROJECTION.size:
            raise reader.damaged("a sketch is cut")
        return Sketch(norm, total, PROJECTION.unpack(projection), count, not_finite)
    return None
