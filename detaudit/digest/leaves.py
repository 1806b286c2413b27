"""Tables of the leaves that were submitted to a device, and digests made of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from xxhash import xxh3_128_digest

from detaudit.digest.algorithm import LEAF_BYTES

ADDRESS, LENGTH, SEED, PLACE = range(4)
"""The columns of a table of leaves, as the kernels read it."""

Table: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Numbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int64]]
Bytes: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

_LARGEST = (1 << 64) - 1


@dataclass(frozen=True)
class Leaves:
    """The leaves of some values: one each, or more for a value of more than LEAF_BYTES."""

    seeds: Sequence[int]
    counts: Numbers
    """The number of leaves of each value; an empty value has one leaf, without bytes."""
    table: Table
    short: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """True for leaves that the kernels only gather, for the host to digest."""

    def digests(self, long_digests: Bytes, short_bytes: Bytes) -> list[bytes]:
        """Make the digest of each value from the digests of long leaves and the bytes of short leaves."""
        leaf_digests = np.empty((len(self.table), 16), dtype=np.uint8)
        leaf_digests[~self.short] = long_digests
        leaf_digests[self.short] = _digested(self.table[self.short], short_bytes)
        joined, stop, made = leaf_digests.tobytes(), 0, []
        for seed, count in zip(self.seeds, self.counts.tolist(), strict=True):
            start, stop = stop, stop + 16 * count
            made.append(joined[start:stop] if count == 1 else xxh3_128_digest(joined[start:stop], seed))
        return made


def leaves_of(addresses: Sequence[int], sizes: Sequence[int], seeds: Sequence[int], shortest: int) -> Leaves:
    """Cut values in memory into leaves; leaves of less than `shortest` bytes are short."""
    size, address = np.array(sizes, dtype=np.int64), np.array(addresses, dtype=np.int64)
    seed = np.array(seeds, dtype=np.uint64).view(np.int64)
    counts = np.maximum(-(-size // LEAF_BYTES), 1)
    value = np.repeat(np.arange(len(size)), counts)
    offset = (np.arange(len(value)) - np.repeat(np.cumsum(counts) - counts, counts)) * LEAF_BYTES
    table = np.zeros((len(value), 4), dtype=np.int64)
    table[:, ADDRESS] = address[value] + offset
    table[:, LENGTH] = np.minimum(size[value] - offset, LEAF_BYTES)
    table[:, SEED] = np.where(counts == 1, seed, 0)[value]
    return Leaves(seeds, counts, table, table[:, LENGTH] < shortest)


def _digested(table: Table, leaves: Bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Digest short leaves, each given as the start of a row."""
    digests = [
        xxh3_128_digest(leaf[:length].tobytes(), seed & _LARGEST)
        for leaf, (_, length, seed, _) in zip(leaves, table.tolist(), strict=True)
    ]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)
