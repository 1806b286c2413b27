"""Random numbers drawn while a data set makes samples: from the main process's stream, or each worker's own.

The draws are held by seeding the global generators, before each batch of a map-style data set, with the
indices of its samples, and by restoring their states after the batch: the numbers do not depend on the
process that makes the batch.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from xxhash import xxh3_64_intdigest

from detaudit.model.cause import Cause
from detaudit.sources.source import Source
from detaudit.sources.taps import Taps
from detaudit.torch_private.by_name import FETCHING, map_fetcher

NAME = "item-draws"


def _tap(taps: Taps) -> None:
    if taps.holds(NAME):
        taps.when_imported(FETCHING, lambda module: _seed_fetches(taps, module))


def _seed_fetches(taps: Taps, module: Any) -> None:
    def fetch(original: Any, fetcher: Any, indices: Any) -> Any:
        import torch

        numpy = sys.modules.get("numpy")
        states = torch.get_rng_state(), random.getstate(), None if numpy is None else numpy.random.get_state()
        seed = xxh3_64_intdigest(repr(indices).encode())
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        if numpy is not None:
            numpy.random.seed(seed % 2**32)
        try:
            return original(fetcher, indices)
        finally:
            torch.set_rng_state(states[0])
            random.setstate(states[1])
            if numpy is not None:
                numpy.random.set_state(states[2])

    taps.method(map_fetcher(module), "fetch", fetch, calls_program=True)


SOURCE = Source(
    name=NAME,
    words="the random numbers of each batch, seeded by the indices of its samples,",
    causes=(Cause.RNG_DRIFT,),
    tap=_tap,
)
