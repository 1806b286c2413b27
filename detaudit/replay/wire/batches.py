"""What is asked of the process that tries samples in batches, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.variation import Apart

EVALUATION, TRAINING = "evaluation", "training"


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What is to be tried."""

    path: str
    """The model file."""
    seed: int
    sizes: tuple[int, ...]
    answer: str
    """The file that the outcome goes to."""


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two values are apart."""

    apart: Apart
    norm: float
    """Euclidean norm of the difference; NaN where only one of them is finite somewhere."""


@dataclass(slots=True)
class SampleRow:
    """One value of one module, all calls and all batches together: the largest distances."""

    module: str
    phase: str
    value: str
    propagated: Distance | None = None
    isolated: Distance | None = None
    """The module by itself, fed the sample alone and in the batch."""
    swapped: Distance | None = None
    """The module by itself, fed the sample in two batches of one size, with other neighbours."""
    padded: Distance | None = None
    """The module by itself, fed the sample with tokens of padding and without."""
    why: str = ""
    """Why the module could not be tried by itself, if so."""


@dataclass(slots=True)
class SampleTrial:
    """What became of a variant."""

    name: str
    size: int
    equal: bool | None = True
    """Whether the sample's output and gradients are the same bits; None: it could not be run."""
    module: str = ""
    """Where the first value that differs is made."""
    phase: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ModeAnswer:
    """What was measured in evaluation mode, or in training mode."""

    trials: tuple[SampleTrial, ...]
    rows: tuple[SampleRow, ...]
    problems: tuple[str, ...]
    draws: tuple[str, ...]
    """Operators whose random numbers were replaced."""
    dtype: str
    """The model's own."""
    other_rows: tuple[SampleRow, ...] | None
    """The same in a second dtype; None where the model cannot be run in it."""
    other_problem: str
    """Why not."""


@dataclass(frozen=True, slots=True)
class AboutModule:
    """What is known of a module by its type."""

    kind: str
    batch_norm: bool
    batch_second: bool
    """Whether it takes dimension 1 as the batch (`batch_first=False`)."""
    training: bool


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """Everything that the launching process judges by."""

    data: int
    """How many samples of one shape there are."""
    asked: int
    """How many of them were tried."""
    root: str
    """Class of the model."""
    modes: dict[str, ModeAnswer]
    trains: bool
    """Whether any module is in training mode as the model is made."""
    modules: dict[str, AboutModule]
    """By path, in the order of the model."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """An answer, or the reason why there is none."""

    answer: BatchAnswer | None
    cannot_tell: str = ""
