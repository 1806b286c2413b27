"""Define the order for the process that tries samples in batches, and the answer of that process."""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.variation import Apart

EVALUATION, TRAINING = "evaluation", "training"


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """The order: the model file and the batch sizes to try."""

    path: str
    """The model file."""
    seed: int
    sizes: tuple[int, ...]
    answer: str
    """The file to which the outcome is written."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two values are apart."""

    apart: Apart
    norm: float
    """Euclidean norm of the difference; NaN where an element is finite in only one of them."""


@dataclass(slots=True)
class SampleRow:
    """One value of one module, all calls and all batches together: the largest distances."""

    module: str
    phase: str
    value: str
    propagated: Distance | None = None
    isolated: Distance | None = None
    """Distance if the module alone is fed the sample by itself and in the batch."""
    swapped: Distance | None = None
    """Distance if the module alone is fed the sample in two batches of one size with other neighbours."""
    padded: Distance | None = None
    """Distance if the module alone is fed the sample with tokens of padding and without."""
    why: str = ""
    """Why the module could not be tried alone; empty if it could."""


@dataclass(slots=True)
class SampleTrial:
    """The result of one way to have a sample in a batch."""

    name: str
    size: int
    equal: bool | None = True
    """Whether the sample's output and gradients have equal bits; None if the variant could not be run."""
    module: str = ""
    """The module in which the first value that differs is made."""
    phase: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ModeAnswer:
    """Measurements in evaluation mode, or in training mode."""

    trials: tuple[SampleTrial, ...]
    rows: tuple[SampleRow, ...]
    problems: tuple[str, ...]
    draws: tuple[str, ...]
    """Operators whose random numbers were replaced."""
    dtype: str
    """The model's own dtype."""
    other_rows: tuple[SampleRow, ...] | None
    """The rows in a second dtype; None if the model cannot be run in it."""
    other_problem: str
    """Why the model cannot be run in the second dtype."""


@dataclass(frozen=True, slots=True)
class AboutModule:
    """Facts about a module that follow from its type and settings."""

    kind: str
    batch_norm: bool
    batch_second: bool
    """Whether the module takes dimension 1 as the batch (`batch_first=False`)."""
    training: bool


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """Everything that the launching process needs for its verdict."""

    data: int
    """Number of samples of one shape."""
    asked: int
    """Number of these samples that were tried."""
    root: str
    """Class of the model."""
    modes: dict[str, ModeAnswer]
    trains: bool
    """Whether any module is in training mode when the model is made."""
    modules: dict[str, AboutModule]
    """The modules by path, in the order of the model."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """An answer, or the reason why there is none."""

    answer: BatchAnswer | None
    cannot_tell: str = ""
