"""The nouns of the data side: what is recorded of loaders and their workers, and what an audit of it says.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from detaudit.model.trace import GeneratorState


@dataclass(frozen=True, slots=True)
class LoaderIteration:
    """One pass over a DataLoader."""

    loader: int
    """Number of the DataLoader in its process, in order of first use."""
    iteration: int
    """Number of earlier passes over the loader."""
    dataset: str
    """Class of the data set."""
    sampler: str
    """Class of the sampler, or of the batch sampler where that works without one."""
    shuffles: bool
    """Whether the sampler is one that draws the order at random."""
    covers: bool
    """Whether the sampler is one that gives each sample exactly once."""
    iterable: bool
    """Whether the data set gives samples in an order of its own, without a sampler."""
    droppable: int | None
    """Number of samples that `drop_last` may leave out; None if that may be any number."""
    length: int | None
    """Length of the data set, where the sampler asked for it."""
    workers: int
    processes: tuple[int, ...]
    """Process numbers of the workers. They link a pass with its workers' streams and mean nothing else."""
    round: int
    """Number of earlier passes by the same workers (persistent workers)."""
    exhausted: bool
    """Whether the program took all batches of the loader."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One batch as the worker that made it saw it."""

    step: int
    """The step of the worker's stream."""
    number: int
    """Number of the batch within the pass."""
    before: tuple[GeneratorState, ...]
    """States of the generators just before the fetch; empty if the previous fetch left the same states."""
    after: tuple[GeneratorState, ...]


class DataFault(StrEnum):
    """The faults that an audit of the data can find. None of them makes a run irreproducible."""

    WORKERS_REPEAT_RANDOMNESS = "workers-repeat-randomness"
    EPOCHS_REPEAT_RANDOMNESS = "epochs-repeat-randomness"
    WORKERS_REPEAT_DATA = "workers-repeat-data"
    EPOCHS_SAME_ORDER = "epochs-same-order"
    SAMPLES_TWICE = "samples-twice"
    SAMPLES_MISSING = "samples-missing"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A fault in one pass over a loader."""

    fault: DataFault
    epoch: int
    """The pass that has the fault; the later pass if two passes are alike."""
    workers: tuple[int, ...] = ()
    generator: str = ""
    """`numpy`, `dataset.rng`, `augment.RNG` and the like, where the fault is about random numbers."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The batches and samples that one pass over a loader gave."""

    iteration: int
    batches: int
    samples: int | None
    """None where the samples have no numbers."""
    complete: bool
    """Whether the program took all batches; an early `break` leaves a pass incomplete."""
    trains: bool
    """Whether training steps were done between its batches."""
    workers: tuple[int, ...]
    """The workers whose batches arrived; empty if the main process made the batches."""
    order: str | None
    """Digest of the numbers of the samples, batch by batch."""
    twice: tuple[int, ...]
    """The first samples that came more than once."""
    twice_count: int
    missing: tuple[int, ...]
    """The first samples that never came in a complete pass."""
    missing_count: int


@dataclass(frozen=True, slots=True)
class LoaderAudit:
    """One DataLoader and all passes over it."""

    stream: str
    loader: int
    dataset: str
    sampler: str
    iterable: bool
    workers: int
    length: int | None
    epochs: tuple[Epoch, ...]
    faults: tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class DataAudit:
    """All loaders of one run."""

    loaders: tuple[LoaderAudit, ...]
