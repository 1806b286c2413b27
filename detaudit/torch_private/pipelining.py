"""The calls by which the stages of a pipeline find out the shapes of what they exchange.

Imports nothing of torch: few programs have pipelines.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from detaudit.torch_private.spot import Spot

MODULE = "torch.distributed.pipelining.stage"

_INFERENCE = ("_forward_metadata_inference", "_backward_metadata_inference", "_shape_inference")
"""The last is the name that older versions have for the first."""


def inference_of(module: ModuleType) -> Iterator[Spot]:
    """Find the methods that call a stage on memory as it was found, to learn the shape of its output."""
    for kind in vars(module).values():
        if isinstance(kind, type) and kind.__module__ == module.__name__:
            yield from (Spot(kind, name) for name in _INFERENCE if name in vars(kind))
