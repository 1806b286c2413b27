"""The layout of a trace file: tables, record sizes, version, heads of steps. Writer and reader share it.

One row per step and stream in `steps`, small, so that two runs are compared quickly, and one in `packed`
with the step's events: `identity`, 40 bytes per event (place key, digest of the inputs, digest of the
outputs), which is what two runs are compared by. Where and when the events occurred may differ between
equal runs. Most steps have the same lines in the same order: these (8 bytes per event, the site keys) are
kept once, in `lines`. Sequence numbers follow each other, as a rule, and then only the first is kept;
where other threads took some in between, `sequences` has the distance of each from the first. `copies` has
one digest for each step over all weights of which several ranks hold copies: what must agree over these.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import xxhash

from detaudit.model.sketch import BUCKETS
from detaudit.model.trace import Place, Site

APPLICATION_ID = 0x64744175
"""Written into the SQLite header, so that another database is not taken for a trace."""

FORMAT_VERSION = 5

PAGE_BYTES = 1024
"""Bytes of a page of SQLite: space that a step needs beyond full pages is rounded up to a part of a page."""

HEADER_SIZE = 100
"""Bytes of the SQLite header."""

IDENTITY = struct.Struct("<8s16s16s")
"""Place key, inputs digest, outputs digest of one event."""

KEY_BYTES = 8
"""Bytes of the key of a place or a site."""

PROJECTION = struct.Struct(f"<{BUCKETS}d")
"""The sums of a sketch."""

NO_DIGEST = bytes(16)
"""Stands for "nothing to compare here"; a real digest is never all zero in practice."""

NO_SITE = bytes(KEY_BYTES)
"""Site key of an event whose line is not known."""

TABLES = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "places": (
        "CREATE TABLE places (key BLOB PRIMARY KEY, phase TEXT NOT NULL, kind TEXT NOT NULL, "
        "root TEXT NOT NULL, module TEXT, name TEXT NOT NULL) WITHOUT ROWID"
    ),
    "sites": (
        "CREATE TABLE sites (key BLOB PRIMARY KEY, file TEXT NOT NULL, line INTEGER NOT NULL, "
        "function TEXT NOT NULL, code TEXT NOT NULL, through TEXT NOT NULL) WITHOUT ROWID"
    ),
    "streams": (
        "CREATE TABLE streams (id INTEGER PRIMARY KEY, role TEXT NOT NULL, process TEXT NOT NULL, "
        "thread TEXT NOT NULL)"
    ),
    "steps": (
        "CREATE TABLE steps (stream INTEGER NOT NULL, step INTEGER NOT NULL, part INTEGER NOT NULL, "
        "complete INTEGER NOT NULL, digest BLOB NOT NULL, events INTEGER NOT NULL, generators TEXT NOT NULL, "
        "first INTEGER NOT NULL, lines BLOB NOT NULL, packed INTEGER NOT NULL, "
        "PRIMARY KEY (stream, step, part)) WITHOUT ROWID"
    ),
    "packed": "CREATE TABLE packed (number INTEGER PRIMARY KEY, identity BLOB NOT NULL, sequences BLOB)",
    "lines": "CREATE TABLE lines (key BLOB PRIMARY KEY, sites BLOB NOT NULL) WITHOUT ROWID",
    "copies": (
        "CREATE TABLE copies (stream INTEGER NOT NULL, step INTEGER NOT NULL, part INTEGER NOT NULL, "
        "ranks TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (stream, step, part, ranks)) WITHOUT ROWID"
    ),
    "batches": (
        "CREATE TABLE batches (stream INTEGER NOT NULL, sequence INTEGER NOT NULL, loader INTEGER NOT NULL, "
        "iteration INTEGER NOT NULL, number INTEGER NOT NULL, worker INTEGER, step INTEGER NOT NULL, "
        "content BLOB, samples BLOB, PRIMARY KEY (stream, sequence)) WITHOUT ROWID"
    ),
    "iterations": (
        "CREATE TABLE iterations (stream INTEGER NOT NULL, loader INTEGER NOT NULL, "
        "iteration INTEGER NOT NULL, dataset TEXT NOT NULL, sampler TEXT NOT NULL, "
        "shuffles INTEGER NOT NULL, covers INTEGER NOT NULL, iterable INTEGER NOT NULL, droppable INTEGER, "
        "length INTEGER, workers INTEGER NOT NULL, processes TEXT NOT NULL, round INTEGER NOT NULL, "
        "exhausted INTEGER NOT NULL, PRIMARY KEY (stream, loader, iteration)) WITHOUT ROWID"
    ),
    "fetches": (
        "CREATE TABLE fetches (stream INTEGER NOT NULL, round INTEGER NOT NULL, step INTEGER NOT NULL, "
        "number INTEGER NOT NULL, process INTEGER NOT NULL, before TEXT NOT NULL, "
        "PRIMARY KEY (stream, round, step)) WITHOUT ROWID"
    ),
    "ledger": (
        "CREATE TABLE ledger (stream INTEGER NOT NULL, step INTEGER NOT NULL, thread TEXT NOT NULL, "
        "in_main_thread INTEGER NOT NULL, sequence INTEGER NOT NULL, source TEXT NOT NULL, "
        "operation TEXT NOT NULL, act TEXT NOT NULL, whose TEXT NOT NULL, about TEXT NOT NULL, "
        "phase TEXT NOT NULL, site BLOB NOT NULL, count INTEGER NOT NULL, amount INTEGER NOT NULL, "
        "digest BLOB NOT NULL, shown TEXT NOT NULL)"
    ),
    "sketches": (
        "CREATE TABLE sketches (digest BLOB PRIMARY KEY, norm REAL NOT NULL, total REAL NOT NULL, "
        "count INTEGER NOT NULL, not_finite INTEGER NOT NULL, projection BLOB NOT NULL) WITHOUT ROWID"
    ),
}

HEADS = "SELECT step, complete, digest, events, generators FROM steps WHERE "

HEAD_TYPES = (int, int, bytes, int, str)
"""Types of step, complete, digest, events, generators."""


def place_key(place: Place) -> bytes:
    """Compute the 8 bytes that stand for a place: equal in every run, whatever the order of arrival."""
    module = "\x01" if place.module is None else place.module
    return _key(f"{place.phase}\x00{place.kind}\x00{place.root}\x00{module}\x00{place.name}")


def site_key(site: Site) -> bytes:
    """Compute the 8 bytes that stand for a source line."""
    return _key("\x00".join((site.file, str(site.line), site.function, site.through)))


def _key(text: str) -> bytes:
    return xxhash.xxh3_64_digest(text.encode("utf-8", "surrogatepass"))


def pack_sequences(numbers: Sequence[int]) -> bytes | None:
    """Pack the distance of each number from the first; None for rising numbers without a gap."""
    if not numbers or numbers[-1] - numbers[0] == len(numbers) - 1:
        return None
    return struct.pack(f"<{len(numbers)}I", *(number - numbers[0] for number in numbers))


def unpack_sequences(first: int, count: int, packed: bytes | None) -> Iterable[int]:
    """Give the numbers again. Raises struct.error if `packed` has not `count` of them."""
    if packed is None:
        return range(first, first + count)
    return (first + distance for distance in struct.unpack(f"<{count}I", packed))


def lines_key(sites: bytes) -> bytes:
    """Compute the 8 bytes that stand for the lines of a step's events, one after the other."""
    return xxhash.xxh3_64_digest(sites)


def step_digest(parts: list[bytes]) -> bytes:
    """Compute the digest of a step from the digests of its parts."""
    return parts[0] if len(parts) == 1 else xxhash.xxh3_128_digest(b"".join(parts))


def is_trace(content: bytes) -> bool:
    """Say whether a file with this content is a trace, by the application field of the SQLite header."""
    return content.startswith(b"SQLite format 3\x00") and content[68:72] == APPLICATION_ID.to_bytes(4, "big")


def database_size(header: bytes) -> int:
    """Compute the size that an SQLite file has by its own header, in bytes."""
    page_size = int.from_bytes(header[16:18], "big")
    # 65536 does not fit into the field, so 1 stands for it.
    return (65536 if page_size == 1 else page_size) * int.from_bytes(header[28:32], "big")


@dataclass(frozen=True, slots=True)
class StepHead:
    """A step without its events: enough to tell whether two runs agree on it."""

    index: int
    complete: bool
    digest: bytes
    events: int
    states: str
    """The states of the generators at the end of the step, as `data.read_states` takes them apart."""


def head_of(parts: list[tuple[Any, ...]]) -> StepHead:
    """Make the head of a step from the rows of its parts."""
    last = parts[-1]
    digest = step_digest([part[2] for part in parts])
    return StepHead(parts[0][0], bool(last[1]), digest, sum(part[3] for part in parts), last[4])
