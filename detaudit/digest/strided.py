"""Digest of a tensor that does not lie in memory in row-major order, without a copy of the whole.

For what is too large to be copied as a whole. A piece of it is copied at a time, into memory that stays in
the processor's cache, and hashed there: the tensor itself is read once, and nothing of its size is written.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import torch

from detaudit.digest.algorithm import LEAF_BYTES, join_leaves, leaf_digests

PIECE_BYTES = 1 << 19
"""Bytes that are copied at a time: they fit the cache of one core, and copying them costs more than the
call."""


def digest_strided(tensor: torch.Tensor, seed: int) -> bytes:
    """Digest a strided CPU tensor of more than one leaf, with any strides, by its row-major bytes.

    Allocates about 1 MiB in all. To be called where neither autograd nor dispatch modes see it.
    """
    buffer = torch.empty((PIECE_BYTES + LEAF_BYTES) // tensor.itemsize, dtype=tensor.dtype)
    address, digests, held = buffer.data_ptr(), [], 0
    for piece in _pieces(tensor, PIECE_BYTES // tensor.itemsize):
        # The clone lies as the piece does: memory is read in long runs, and turning is done in the cache.
        buffer[held : held + piece.numel()].view(piece.shape).copy_(piece.clone())
        held += piece.numel()
        whole = held * tensor.itemsize // LEAF_BYTES * LEAF_BYTES
        digests.extend(leaf_digests(address, whole))
        # What does not fill a leaf waits at the front for the next piece.
        held -= whole // tensor.itemsize
        ctypes.memmove(address, address + whole, held * tensor.itemsize)
    digests.extend(leaf_digests(address, held * tensor.itemsize))
    return join_leaves(digests, seed)


def _pieces(tensor: torch.Tensor, most: int) -> Iterator[torch.Tensor]:
    """Yield views of a tensor, of at most `most` elements each, that follow each other in row-major order."""
    if tensor.numel() <= most:
        yield tensor
        return
    rows = most // (tensor.numel() // tensor.shape[0])
    if rows:
        yield from tensor.split(rows)
    else:
        for row in tensor.unbind():
            yield from _pieces(row, most)
