"""Look names up by their text, or in a module that is handed in: this file does not need torch."""

from __future__ import annotations

import re
import sys
from operator import attrgetter
from typing import Any

from detaudit.torch_private.spot import Spot

FETCHING = "torch.utils.data._utils.fetch"
"""Names the module whose classes fetch each batch of a loader."""

GENERATING = "torch._inductor"
"""Names the package that is loaded where torch.compile may have generated code."""

COMPILERS = ("torch._dynamo", "torch._inductor", "torch._functorch")
"""Name the packages whose errors say that torch.compile failed."""

SEEDED_THROUGH = frozenset({"torch._compile", "torch._dynamo.eval_frame"})
"""Name the modules that stand between `torch.manual_seed` and the generator."""

WORKER_FILE = re.compile(r"[/\\\\]utils[/\\\\]data[/\\\\]_utils[/\\\\]worker\.py$")
"""Finds the file whose frames are on the stack of a loader's worker."""

COMPILED_MODULE = "OptimizedModule"
"""Names the class that torch.compile wraps a module in: importing it would cost seconds."""

UNCOMPILED_PART = "_orig_mod"
"""Names the part of such a module that is the module which was compiled."""

generator_identity = attrgetter("_cdata")
"""Gives one number for each generator: `torch.Generator` is a new Python object each time."""


def map_fetcher(fetching: Any) -> Any:
    """Give the class that fetches batches from a data set with indices, out of `FETCHING`."""
    return fetching._MapDatasetFetcher


def iterable_fetcher(fetching: Any) -> Any:
    """Give the class that fetches batches from an iterable data set, out of `FETCHING`."""
    return fetching._IterableDatasetFetcher


def multiprocess_iterator(dataloader: Any) -> Any:
    """Give the class of iterators that start workers, out of `torch.utils.data.dataloader`."""
    return dataloader._MultiProcessingDataLoaderIter


def backward_engines(torch: Any) -> tuple[Spot, Spot]:
    """Give what `backward` and `grad` both end in, under the name that each module has for it."""
    return Spot(torch.autograd, "_engine_run_backward"), Spot(torch.autograd.graph, "_engine_run_backward")


def compile_counters() -> Any:
    """Give what torch.compile counts of its work, by kind; None where it was never loaded."""
    utils = sys.modules.get("torch._dynamo.utils")
    return None if utils is None else utils.counters


def compiling_context(module: Any) -> Any:
    """Give what torch.compile made a module with that it wraps in another; None for one that wraps none."""
    return getattr(module, "dynamo_ctx", None)


def compiling_contexts() -> Any:
    """Give the class of what `torch.compile` makes functions with; no class where it was never loaded."""
    return getattr(sys.modules.get("torch._dynamo.eval_frame"), "_TorchDynamoContext", ())
