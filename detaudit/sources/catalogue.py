"""All sources of nondeterminism that are observed and can be held fixed."""

from __future__ import annotations

from detaudit.sources import (
    addresses,
    clock,
    completion,
    entropy,
    files,
    host,
    kernels,
    leftovers,
    loader_workers,
    memory,
    numpy_random,
    python_random,
    set_order,
    threads,
    torch_random,
)
from detaudit.sources.source import Source

SOURCES: tuple[Source, ...] = (
    python_random.SOURCE,
    numpy_random.SOURCE,
    torch_random.SOURCE,
    entropy.SOURCE,
    clock.SOURCE,
    host.SOURCE,
    files.SOURCE,
    set_order.SOURCE,
    addresses.SOURCE,
    completion.SOURCE,
    threads.SOURCE,
    loader_workers.SOURCE,
    kernels.SOURCE,
    kernels.THREADS,
    memory.SOURCE,
    leftovers.SOURCE,
)

BY_NAME = {source.name: source for source in SOURCES}
