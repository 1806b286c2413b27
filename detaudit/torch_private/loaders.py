"""Data loaders: what every pass, sample and batch goes by, and what an iterator knows of itself."""

from __future__ import annotations

from typing import Any

from torch.utils.data import dataloader
from torch.utils.data._utils import worker

from detaudit.torch_private.spot import Spot

ITERATOR_MADE = Spot(dataloader.DataLoader, "_get_iterator")
"""Makes the iterator of a pass: the one place where all iteration starts."""

STARTED_OVER = Spot(dataloader._BaseDataLoaderIter, "_reset")
"""Starts an iterator again whose workers are kept."""

SAMPLED = Spot(dataloader._BaseDataLoaderIter, "_next_index")
"""Gives the next indices of the sampler: every sampler passes here."""

DELIVERED = Spot(dataloader._BaseDataLoaderIter, "__next__")
"""Gives a batch to the program: every batch passes here."""

RECEIVED = Spot(dataloader._MultiProcessingDataLoaderIter, "_process_data")
"""Takes a batch from a worker: the one place that knows the worker."""

WORKER_LOOP = Spot(worker, "_worker_loop")
"""Runs in a worker process, given its queues and its data set."""

SAMPLE_COUNT = "_num_samples"
"""Names the number of samples that a RandomSampler was asked for; None: all samples."""


def is_iterable(iterator: Any) -> bool:
    """Say whether an iterator goes over a data set without indices."""
    return bool(iterator._dataset_kind == dataloader._DatasetKind.Iterable)


def worker_count(iterator: Any) -> int:
    """Give the number of workers of an iterator."""
    return int(iterator._num_workers)


def worker_processes(iterator: Any) -> tuple[Any, ...]:
    """Give the processes of an iterator's workers; none where it has none."""
    return tuple(getattr(iterator, "_workers", ()))


def keeps_order(iterator: Any) -> bool:
    """Say whether batches are delivered in the order of their samples, whichever worker is first."""
    return bool(getattr(iterator, "_in_order", True))


def batches_taken(iterator: Any) -> int:
    """Count the batches that an iterator with workers has taken from them, in order."""
    return int(iterator._rcvd_idx)


def index_sampler(iterator: Any) -> Any:
    """Give what an iterator asks for indices: a sampler, or a batch sampler where it makes batches."""
    return iterator._index_sampler


def makes_batches(iterator: Any) -> bool:
    """Say whether an iterator puts samples together to batches."""
    return bool(iterator._auto_collation)


def begins_pass(answer: object) -> bool:
    """Say whether what a worker sends says that it starts over."""
    return type(answer).__name__ == "_ResumeIteration"


def is_batch(number: object, data: object) -> bool:
    """Say whether a worker sends a batch, and not an answer to a reset, the end of a stream or an error."""
    kind = type(data)
    return (
        isinstance(number, int) and kind.__module__ != worker.__name__ and kind.__name__ != "ExceptionWrapper"
    )
