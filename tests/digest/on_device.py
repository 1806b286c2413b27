"""A device for the tests of the kernels, known values, and the digests that they must have."""

from __future__ import annotations

import random

import torch
from xxhash import xxh3_128_digest

from detaudit.digest.algorithm import LEAF_BYTES

ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda", 0) if ON_GPU else torch.device("cpu")

# The interpreter takes as long for a program of one block as for one of many.
BLOCKS = None if ON_GPU else 256


def content(size, seed=0):
    """A tensor of bytes, at an aligned address."""
    return torch.frombuffer(bytearray(random.Random(seed).randbytes(size) or b"\0"), dtype=torch.uint8)[:size]


def truth(tensor, seed):
    """The digest of a tensor of bytes, by the definition."""
    data = tensor.cpu().numpy().tobytes()
    if len(data) <= LEAF_BYTES:
        return xxh3_128_digest(data, seed)
    leaves = [data[at : at + LEAF_BYTES] for at in range(0, len(data), LEAF_BYTES)]
    return xxh3_128_digest(b"".join(map(xxh3_128_digest, leaves)), seed)


def digested(digester, values):
    laters = digester.submit([(tensor.to(DEVICE), seed) for tensor, seed in values])
    return [later.resolve() for later in laters]
