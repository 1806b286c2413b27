"""The digest algorithm itself, over plain memory. Knows neither torch nor numpy.

The row-major bytes of a value are cut into leaves of 256 KiB. A value of one leaf is
XXH3-128(bytes, seed); a longer one is XXH3-128(leaf digests, seed), where each leaf's digest is
XXH3-128(leaf, 0). The seed is the XXH3-64 of a header that names this algorithm, the dtype and the
shape, so equal bytes under another dtype or shape have another digest. Leaves are independent of each
other, so that a device may compute them in parallel and give the same digest.

XXH3: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

from xxhash import xxh3_64_intdigest, xxh3_128_digest

ALGORITHM = "xxh3-128-tree256k-1"
"""Name and version; changed whenever any digest would change."""

LEAF_BYTES = 1 << 18


def header_seed(dtype: str, shape: Iterable[int]) -> int:
    """The 64-bit seed for values of this dtype (torch's or numpy's name) and shape."""
    header = f"{ALGORITHM}|{dtype}|{','.join(map(str, shape))}"
    return xxh3_64_intdigest(header.encode())


def digest_address(address: int, size: int, seed: int) -> bytes:
    """Digest `size` bytes of host memory at `address`, which must stay valid during the call."""
    if size <= LEAF_BYTES:
        data = (ctypes.c_char * size).from_address(address) if size else b""
        return xxh3_128_digest(data, seed)
    return digest_buffer(memoryview((ctypes.c_char * size).from_address(address)).cast("B"), seed)


def digest_buffer(data: memoryview | bytes, seed: int) -> bytes:
    """Digest a contiguous buffer of bytes."""
    size = len(data)
    if size <= LEAF_BYTES:
        return xxh3_128_digest(data, seed)
    leaves = [xxh3_128_digest(data[start : start + LEAF_BYTES]) for start in range(0, size, LEAF_BYTES)]
    return xxh3_128_digest(b"".join(leaves), seed)


def combine(tag: str, digests: Iterable[bytes]) -> bytes:
    """Digest of a sequence of digests; `tag` tells apart sequences of different meaning."""
    return xxh3_128_digest(b"".join(digests), header_seed(tag, ()))
