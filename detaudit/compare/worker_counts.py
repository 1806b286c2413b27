"""Do order and content of the batches depend on the number of loader workers? Two runs, pass by pass."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import zip_longest

import xxhash

from detaudit.errors import TraceError
from detaudit.model.data import EpochPair, LoaderIteration, WorkersComparison
from detaudit.trace.data import read_iterations
from detaudit.trace.layout import NO_DIGEST
from detaudit.trace.reader import TraceReader

ORDER_BYTES = 8
CONTENT_BYTES = len(NO_DIGEST)

Key = tuple[str, int, int]
"""Label of a stream, number of a loader in it, number of a pass."""


def compare_workers(first: TraceReader, second: TraceReader) -> WorkersComparison:
    """Compare the batches of two runs whose loaders have different numbers of workers.

    Raises TraceError if the traces hold digests that mean different things.
    """
    if first.info.digest != second.info.digest:
        message = f"{first.path} has digest {first.info.digest}, {second.path} has {second.info.digest}"
        hint = "record both with the same detaudit version"
        raise TraceError("trace-not-comparable", f"the traces cannot be compared: {message}", hint)
    ours, theirs = _read(first), _read(second)
    keys = dict.fromkeys([*ours, *theirs])
    return WorkersComparison(tuple(_pair(key, ours.get(key), theirs.get(key)) for key in keys))


@dataclass(slots=True)
class _Batches:
    """The batches of one pass, a few bytes for each."""

    facts: LoaderIteration
    order: bytearray = field(default_factory=bytearray)
    content: bytearray = field(default_factory=bytearray)
    numbered: bool = True


def _read(reader: TraceReader) -> dict[Key, _Batches]:
    found: dict[Key, _Batches] = {}
    seen: defaultdict[str, int] = defaultdict(int)
    for stream in reader.streams:
        seen[stream.label] += 1
        label = stream.label if seen[stream.label] == 1 else f"{stream.label}#{seen[stream.label]}"
        passes = {(one.loader, one.iteration): _Batches(one) for one in read_iterations(reader, stream.id)}
        for batch in reader.batches(stream.id):
            one = passes.get((batch.loader, batch.iteration))
            if one is not None:
                one.order += xxhash.xxh3_64_digest(json.dumps(batch.samples).encode())
                one.content += batch.content or NO_DIGEST
                one.numbered = one.numbered and batch.samples is not None
        found.update({(label, *key): one for key, one in passes.items()})
    return found


def _pair(key: Key, ours: _Batches | None, theirs: _Batches | None) -> EpochPair:
    given = [one for one in (ours, theirs) if one is not None]
    order = _first_difference(_order(ours), _order(theirs), ORDER_BYTES)
    content = _first_difference(_content(ours), _content(theirs), CONTENT_BYTES)
    both = len(given) > 1
    numbered = all(one.numbered and not one.facts.iterable for one in given)
    alike = _chunks(_content(ours), CONTENT_BYTES), _chunks(_content(theirs), CONTENT_BYTES)
    return EpochPair(
        *key,
        dataset=given[0].facts.dataset,
        workers=(_workers(ours), _workers(theirs)),
        batches=(len(alike[0]), len(alike[1])),
        same_order=(both and order is None) if numbered else None,
        same_content=both and content is None,
        same_unordered=both and sorted(alike[0]) == sorted(alike[1]),
        first_order_difference=order if numbered else None,
        first_content_difference=content,
    )


def _workers(one: _Batches | None) -> int | None:
    return None if one is None else one.facts.workers


def _order(one: _Batches | None) -> bytes:
    return b"" if one is None else bytes(one.order)


def _content(one: _Batches | None) -> bytes:
    return b"" if one is None else bytes(one.content)


def _first_difference(ours: bytes, theirs: bytes, size: int) -> int | None:
    """Number of the first entry that one lacks or that is not the same; None if there is none."""
    if ours == theirs:
        return None
    pairs = zip_longest(_chunks(ours, size), _chunks(theirs, size))
    return next(number for number, (one, other) in enumerate(pairs) if one != other)


def _chunks(entries: bytes, size: int) -> list[bytes]:
    return [entries[at : at + size] for at in range(0, len(entries), size)]
