"""The number of workers of every DataLoader, whatever the program says."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from detaudit.axes.axis import Axis, whole
from detaudit.model.variation import Promise

if TYPE_CHECKING:
    from detaudit.trace.reader import TraceReader

_OF_WORKERS = ("prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout")
"""Arguments that a DataLoader without workers refuses."""


def _set(number: int) -> None:
    from torch.utils.data.dataloader import DataLoader

    make = DataLoader.__init__
    signature = inspect.signature(make)

    @functools.wraps(make)
    def making(*args: Any, **kwargs: Any) -> None:
        # Wrong arguments are for torch to refuse, in its own words.
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            make(*args, **kwargs)
            return
        given.arguments["num_workers"] = number
        if not number:
            for name in _OF_WORKERS:
                given.arguments.pop(name, None)
        make(*given.args, **given.kwargs)

    DataLoader.__init__ = making  # type: ignore[method-assign]  # so that subclasses are reached too


def _seen(reader: TraceReader) -> set[int]:
    """Count the workers of the loaders that a run went through."""
    from detaudit.trace.data import read_iterations

    passes = (one for stream in reader.streams for one in read_iterations(reader, stream.id))
    return {one.workers for one in passes}


def _in_force(reader: TraceReader, number: int) -> str | None:
    seen = _seen(reader)
    return None if seen <= {number} else f"the program's loaders ran with {sorted(seen)} workers"


AXIS = Axis(
    name="workers",
    owes=Promise.BITS,
    syntax=whole(0),
    in_process=_set,
    in_force=_in_force,
    used_by=lambda reader: bool(_seen(reader)),
    unused="the program takes no batch from a DataLoader",
)
