"""The digest algorithm over plain memory, and digests that come later. Knows neither torch nor numpy.

The row-major bytes of a value are cut into leaves of 256 KiB. A value of one leaf is
XXH3-128(bytes, seed); a longer one is XXH3-128(leaf digests, seed), where each leaf's digest is
XXH3-128(leaf, 0). The seed is the XXH3-64 of a header that names this algorithm, the dtype and the
shape, so equal bytes under another dtype or shape have another digest. Leaves are independent of each
other, so that threads or a device may compute them in parallel and give the same digest.

256 KiB: long enough that calling xxhash leaf by leaf costs a few per cent, and above the 64 KiB from
which on it lets other threads run; short enough for many leaves in one tensor.

XXH3: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from xxhash import xxh3_64_intdigest, xxh3_128_digest

ALGORITHM = "xxh3-128-tree256k-1"
"""Name and version; changed whenever any digest would change."""

LEAF_BYTES = 1 << 18

_Memory = Callable[[int], "ctypes.Array[ctypes.c_char]"]

_leaf_at: _Memory = (ctypes.c_char * LEAF_BYTES).from_address


def header_seed(dtype: str, shape: Iterable[int]) -> int:
    """Compute the 64-bit seed for values of this dtype (torch's or numpy's name) and shape."""
    header = f"{ALGORITHM}|{dtype}|{','.join(map(str, shape))}"
    return xxh3_64_intdigest(header.encode())


def memory_of(size: int) -> _Memory:
    """Return what gives `size` bytes of host memory, by their address, to xxhash without a copy."""
    return (ctypes.c_char * size).from_address


def digest_address(address: int, size: int, seed: int) -> bytes:
    """Digest `size` bytes of host memory at `address`, which must stay valid during the call."""
    if size <= LEAF_BYTES:
        return xxh3_128_digest(memory_of(size)(address) if size else b"", seed)
    return join_leaves(leaf_digests(address, size), seed)


def leaf_digests(address: int, size: int) -> list[bytes]:
    """Digest each leaf of `size` bytes of host memory: whole ones, and what is left at the end."""
    end = address + size
    left = size % LEAF_BYTES
    leaves = [xxh3_128_digest(_leaf_at(start)) for start in range(address, end - left, LEAF_BYTES)]
    if left:
        leaves.append(xxh3_128_digest(memory_of(left)(end - left)))
    return leaves


def join_leaves(leaves: Iterable[bytes], seed: int) -> bytes:
    """Compute the digest of a value of several leaves from the digests of the leaves."""
    return xxh3_128_digest(b"".join(leaves), seed)


def digest_bytes(data: bytes, seed: int) -> bytes:
    """Digest bytes that Python holds."""
    if len(data) <= LEAF_BYTES:
        return xxh3_128_digest(data, seed)
    starts = range(0, len(data), LEAF_BYTES)
    return join_leaves([xxh3_128_digest(data[start : start + LEAF_BYTES]) for start in starts], seed)


def combine(tag: str, digests: Iterable[bytes]) -> bytes:
    """Compute the digest of a sequence of digests; `tag` tells apart sequences of different meaning."""
    return xxh3_128_digest(b"".join(digests), header_seed(tag, ()))


class Later(Protocol):
    """A digest that will be on the host when it is asked for."""

    def resolve(self) -> bytes:
        """Return the 16 bytes; waits for the device if it must."""


Digest: TypeAlias = bytes | Later


def now(digest: Digest) -> bytes:
    """Return the 16 bytes of a digest, waiting for the device if it is still there."""
    return digest if isinstance(digest, bytes) else digest.resolve()


def joined(parts: Sequence[Digest], finish: Callable[[bytes], bytes]) -> Digest:
    """Give `finish` all parts as one: now if they are on the host, else when the result is asked for."""
    try:
        return finish(b"".join(parts))  # type: ignore[arg-type]  # the error is what tells
    except TypeError:
        return _Joined(parts, finish)


class _Joined:
    __slots__ = ("_finish", "_parts")

    def __init__(self, parts: Sequence[Digest], finish: Callable[[bytes], bytes]) -> None:
        self._parts = parts
        self._finish = finish

    def resolve(self) -> bytes:
        return self._finish(b"".join(map(now, self._parts)))
