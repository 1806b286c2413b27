"""All sources of nondeterminism that are observed and can be held fixed."""

from __future__ import annotations

from detaudit.sources import (
    addresses,
    clock,
    completion,
    entropy,
    files,
    host,
    item_draws,
    kernels,
    leftovers,
    line_draws,
    loader_workers,
    memory,
    numpy_random,
    python_random,
    set_order,
    side_draws,
    surroundings,
    threads,
    torch_random,
    variables,
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
    side_draws.SOURCE,
    threads.SOURCE,
    loader_workers.SOURCE,
    kernels.SOURCE,
    kernels.THREADS,
    memory.SOURCE,
    leftovers.SOURCE,
)

ON_PURPOSE: tuple[Source, ...] = (line_draws.SOURCE, item_draws.SOURCE, variables.SOURCE)
"""Sources that are held only where something speaks for them: everywhere, they would change what is drawn."""

BY_NAME = {source.name: source for source in (*SOURCES, *ON_PURPOSE, *surroundings.SOURCES)}

PERTURBATIONS = tuple(source.name for source in BY_NAME.values() if source.varied_by)
"""Names of the sources that can be made to vary."""
