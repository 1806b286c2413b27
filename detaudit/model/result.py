"""The nouns of an answer: comparison of two runs, findings, verdict.

Pure data. The JSON contract `detaudit.result/1` is `AuditResult` as `codec` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence
from detaudit.model.trace import Event, Level, Site
from detaudit.model.variation import Variation

ALL, TRAINING, RANKS = "all", "training", "ranks"
"""What an answer may be about: all that is compared, the training alone, or the ranks of one launch."""

BY_RANK = "by-rank"
"""The notice that says from which step on each rank of a distributed training differs."""


class Verdict(StrEnum):
    """The three answers; `unverified` is never green."""

    REPRODUCIBLE = "reproducible"
    NOT_REPRODUCIBLE = "not-reproducible"
    UNVERIFIED = "unverified"


class FaultScope(StrEnum):
    """The part of a program that a fault reaches."""

    TRAINING = "training"
    """The training, as far as is known: a weight, a gradient, a loss, a buffer, the optimizer."""
    EVALUATION = "evaluation"
    """Only what is evaluated or shown: the training is the same in every step."""


class DivergenceKind(StrEnum):
    """How two runs part."""

    VALUE = "value"
    """Both runs have the event, and its digests differ."""
    STRUCTURE = "structure"
    """One run has an event, or a step, that the other does not have."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """One place at which two runs part."""

    kind: DivergenceKind
    stream: str
    step: int
    first: Event | None
    """The event in the first run; None if only the second has it."""
    second: Event | None
    origin: bool
    """True if the inputs agree (or there are none) and the outputs differ."""

    @property
    def event(self) -> Event:
        """The event of whichever run has it."""
        event = self.first or self.second
        if event is None:
            raise ValueError("a divergence has an event in at least one run")
        return event


@dataclass(frozen=True, slots=True)
class GeneratorDifference:
    """A random generator whose state is not the same in both runs."""

    generator: str
    stream: str
    from_step: int
    moved: bool
    """True if something drew from the generator while the runs were watched."""


@dataclass(frozen=True, slots=True)
class Affected:
    """How far a difference reached."""

    weights: int
    layers: int
    from_step: int
    ranks: str = ""
    """The ranks of a distributed training that differ, as ranges: `0-3, 7`; empty without ranks."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two traces held against each other."""

    runs: tuple[str, str]
    level: Level
    steps: int
    """Steps that both runs completed in the main stream."""
    events: int
    """Events that both runs have and that were compared."""
    equal: bool
    """True if every number agrees. Differences that reach no number are in `harmless`."""
    first: Divergence | None
    """The first divergence that reaches a number; None if `equal`."""
    others: tuple[Divergence, ...]
    """Further origins, in order; at most 20."""
    harmless: tuple[Divergence, ...]
    """The first differences that never reach a number; at most 20."""
    generators: tuple[GeneratorDifference, ...]
    affected: Affected | None
    scope: FaultScope | None = FaultScope.TRAINING
    """The things that the difference reaches. None if that is not known: the training agrees in every step,
    but an evaluation may have used other weights than those that the training left. An operator that differs
    by itself in the evaluation rules that out."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the runs first part: the contract's `origin`."""

    run: tuple[str, str]
    step: int
    phase: str
    module: str | None
    op: str | None
    event: str
    """One line that names the event for a reader."""
    root: str = ""
    stream: str = "main"
    kind: str = "value"
    rank: int | None = None
    """The rank of a distributed training; None where there are no ranks."""
    receiver: bool = False
    """True if the inputs differ already but nothing recorded before them: the difference came from outside
    torch."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: origin, cause (None while it is not diagnosed), evidence and fix."""

    id: str
    cause: Cause | None
    confirmed: bool
    evidence: tuple[Evidence, ...]
    origin: Origin
    site: Site | None
    other_sites: tuple[Site, ...]
    symbol: str | None
    message: str
    fix: str | None
    rate: dict[str, int]
    """`{"differs": pairs that differ, "pairs": pairs compared}`."""
    affects: Affected | None
    scope: FaultScope = FaultScope.TRAINING


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing that is not a fault."""

    id: str
    message: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, as the result shows it."""

    id: str
    conditions: dict[str, object]
    steps: int
    events: int
    exit_code: int | None
    seconds: float | None
    overhead_seconds: float | None
    environment: dict[str, object]
    final_digest: str | None
    """Hexadecimal digest of the last weights that were seen; None if there were none."""
    level: str = "layer"


@dataclass(frozen=True, slots=True)
class Compared:
    """How much evidence there is."""

    pairs: int
    steps: int
    events: int
    level: str
    not_varied: tuple[str, ...]
    bound: dict[str, float]
    """`confidence`, and `agreement_at_least`: the least rate at which two runs agree, with that
    confidence."""


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """What was audited."""

    kind: str
    name: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PerturbedRun:
    """One change of what should not matter, and what came of it."""

    source: str
    amount: str
    """The change and its size, in words."""
    result: str
    """`equal`, `differs`, `failed`, or `not asked for` by the program."""
    first_difference: str | None = None


class ReferenceState(StrEnum):
    """How a run stands to a reference."""

    EQUAL = "equal"
    """The same bits."""
    WITHIN_TOLERANCE = "within-tolerance"
    """Other bits, or bits that could not be compared; but the numbers agree within the tolerance."""
    DIFFERS = "differs"
    NOT_COMPARABLE = "not-comparable"
    """The reference holds for another environment, or not for this target."""


@dataclass(frozen=True, slots=True)
class ReferenceComparison:
    """A run held against what was recorded before: a lock, or the same target at another commit."""

    kind: str
    """`lock` or `commit`."""
    name: str
    """The lock's file, or the git reference, as it was given."""
    state: ReferenceState
    commit: str | None
    """Full hash of the commit with the reference; None if git does not know it."""
    difference: str | None
    """`structural` (a layer, a step, a tensor's shape) or `numeric`; None where nothing differs."""
    first: Origin | None
    """The first difference; its `run` names the reference and the run."""
    differing: int
    """Number of the things that both have and that differ."""
    compared: int
    """Number of the things that both have: weights, gradients, outputs and batches of layers, per step."""
    relative: float | None
    """The largest relative difference of one thing, estimated from sketches; None without sketches."""
    tolerance: float | None
    environment: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Settings that differ: the value of the reference, then the value here."""
    only_there: tuple[str, ...] = ()
    """Layers that only the reference has."""
    only_here: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Lines of the repository that changed since, as `file:first-last`."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The answer to `detaudit check` and `detaudit diff`."""

    verdict: Verdict
    reason: str | None
    target: TargetSummary
    runs: tuple[RunSummary, ...]
    compared: Compared | None
    findings: tuple[Finding, ...]
    unexplained: tuple[str, ...] = field(default=())
    """Sentences about the differences that the findings do not explain."""
    extra_runs: int = 0
    """Number of runs beyond the first ones, which the search for the cause needed."""
    perturbed: tuple[PerturbedRun, ...] = field(default=())
    """The changes that `--perturb` made, in their order."""
    references: tuple[ReferenceComparison, ...] = field(default=())
    """Comparisons of the run with its references: a lock, another commit."""
    varied: tuple[Variation, ...] = field(default=())
    """The results of `--vary`: each run under other conditions, compared with the first run."""
    notices: tuple[Notice, ...] = field(default=())
    scope: str = ALL
    """The scope that was asked for: `all`; `training`, which leaves evaluations out of account; `ranks`."""

    @classmethod
    def unanswered(cls, reason: str, target: TargetSummary) -> AuditResult:
        """Make the answer where nothing was compared, and say why."""
        return cls(Verdict.UNVERIFIED, reason, target, (), None, ())

    @property
    def reproducible(self) -> bool:
        """True only for the verdict `reproducible`."""
        return self.verdict is Verdict.REPRODUCIBLE

    @property
    def training_agrees(self) -> bool:
        """True if runs differ, and only in what they evaluate."""
        return bool(self.findings) and all(one.scope is FaultScope.EVALUATION for one in self.findings)
