"""The nouns of a run: what is to be run, how, and what became of it.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from detaudit.model.result import TargetSummary
from detaudit.model.trace import Level
from detaudit.model.variation import Conditions


class TargetKind(StrEnum):
    """What sort of thing is audited."""

    SCRIPT = "script"
    MODULE = "module"
    """`-m pkg.mod`: a script that is found by its import name."""
    MODEL_FILE = "model-file"
    CALLABLE = "callable"
    TEST = "test"
    """A test of pytest, or a call that a test makes, in a pytest process of its own."""


SEEDED = frozenset({TargetKind.MODEL_FILE, TargetKind.CALLABLE})
"""Targets that a run seeds. Scripts seed themselves; the order for a test says whether the test is seeded."""


@dataclass(frozen=True, slots=True)
class TargetRef:
    """What the user typed: `train.py`, `model.py:make_model`, `-m pkg.mod`, `pkg.mod:callable`."""

    text: str
    module: bool = False
    """True for `-m`."""
    args: tuple[str, ...] = ()
    launch: str = ""
    """The words of a launcher (`torchrun --nproc-per-node 2`) that is to start it; empty: Python itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target that was found: what to run, and how."""

    kind: TargetKind
    name: str
    """The target's name, as shown to the user."""
    args: tuple[str, ...] = ()
    path: Path | None = None
    """The file of a script, model file, or callable that was named by its file."""
    import_name: str | None = None
    """The module of `-m`, or of a callable that was named by its module."""
    attribute: str | None = None
    """The callable's name within the file or module."""
    command: tuple[str, ...] = ()
    """The arguments of the Python interpreter that runs a test."""
    launch: tuple[str, ...] = ()
    """The command of the launcher that starts a script or a module, its program found; empty: Python."""
    package: Path | None = None
    """The folder of an installed package whose code is the program itself, not a library that it uses."""

    @property
    def loaded_as(self) -> str:
        """The name of the module that a callable is in, in the runs that call it."""
        return self.path.stem if self.path is not None else str(self.import_name)

    @property
    def summary(self) -> TargetSummary:
        """The target as an answer shows it; to a reader, a module is a script."""
        kind = TargetKind.SCRIPT if self.kind is TargetKind.MODULE else self.kind
        return TargetSummary(kind.value, self.name, self.args)


@dataclass(frozen=True, slots=True)
class Intervention:
    """One source of nondeterminism that is held fixed, or made to vary, in a run."""

    source: str
    """Name of the source, as in `detaudit.sources`."""
    sites: tuple[str, ...] = ()
    """Hexadecimal site keys of the lines that it is limited to; empty: everywhere."""
    amount: str = ""
    """The size of the change; empty where the source is held fixed."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One operator call whose arguments a run is to save."""

    step: int
    operator: str
    """The operator's name, as in the trace: `aten.index_put_`."""
    occurrence: int
    """Number of calls of that operator that the step has before this call, in the main thread."""


class Part(StrEnum):
    """The two roles of a run that shares values or random numbers with another run."""

    KEEPS = "keeps"
    """The run puts its own values or random numbers into the folder."""
    TAKES = "takes"
    """The run takes the values or random numbers from the folder."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A folder through which two runs have something in common."""

    folder: Path
    part: Part
    step: int = 0
    """The step whose values are exchanged; random numbers are exchanged in all of them."""
    replays: bool = True
    """Whether values are also computed again, each module call alone."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What the driver of a model file or a callable is told."""

    target: Target
    seed: int
    steps: int | None
    """The same as in a run's plan; so is `call`."""
    call: str | None
    axes: dict[str, str]
    """The values that `--vary` sets, as texts."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """How to run a target."""

    target: Target
    runs: int
    level: Level
    seed: int
    """For targets that detaudit seeds (see `SEEDED`)."""
    steps: int | None = None
    """Stop each run after this many steps; None: let it end by itself."""
    timeout: float | None = None
    """Seconds that one run may take."""
    jobs: int = 1
    """Runs at a time."""
    window: tuple[int, int] | None = None
    """At level `op`: the first step whose operators are recorded, and the step before which that ends."""
    ledger: bool = False
    """Whether draws of random numbers and reads of the outside world are recorded."""
    held: tuple[Intervention, ...] = ()
    """Sources that are held fixed."""
    perturbed: tuple[Intervention, ...] = ()
    """Sources that are made to vary."""
    capture: Capture | None = None
    """At level `op`: the call whose arguments are saved, in the run's folder."""
    sketches: bool = False
    """Whether sketches of the values are recorded beside their digests."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables that are set for the run, with their values."""
    axes: Conditions = ()
    """The values that `--vary` sets for the run: one for each axis of `detaudit.axes`."""
    then_axes: Conditions | None = None
    """The values that `--vary` sets for all runs but the first; None: as for the first."""
    values: Exchange | None = None
    """The values of one step, which the run keeps, or compares with kept values."""
    draws: Exchange | None = None
    """The random numbers that the run keeps, or takes instead of its own."""
    on_request: bool = False
    """Whether recording waits until the program itself asks for it (the pytest plugin does, test by test)."""
    import_from: Path | None = None
    """A folder to import from besides the target's folder: the folder of the original of a copy."""
    folder: Path | None = None
    """The folder in which the program is started; None: the current one."""
    import_first: tuple[Path, ...] = ()
    """Folders that come before installed packages: the code of another commit instead of the work tree's."""
    call: str | None = None
    """File with the arguments of a callable (written by `detaudit.check`); None: it takes none."""

    def of_run(self, run: str) -> RunPlan:
        """Make the plan of one run: all runs have the same conditions, unless `then_axes` is given."""
        if self.then_axes is None or run == "1":
            return self
        return self.of_later_runs()

    def of_later_runs(self) -> RunPlan:
        """Make a plan in which every run has the conditions of the runs after the first."""
        return replace(self, axes=self.axes if self.then_axes is None else self.then_axes, then_axes=None)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The result of one run: its exit, its trace and what it reported."""

    id: str
    trace: Path | None
    """None if the program never imported torch and did not report a failure to record."""
    exit_code: int
    """The exit code; minus the signal's number if a signal ended the program."""
    seconds: float
    timed_out: bool
    stdout: Path
    stderr: Path
    problem: str | None = None
    """The things that could not be recorded, as a process reported them."""
    nested: tuple[str, ...] = ()
    """The calls in the run that asked for another audit, which a run never starts."""

    @property
    def finished(self) -> bool:
        """Whether the run ended by itself, and without an error."""
        return not self.exit_code and not self.timed_out

    @property
    def ended_well(self) -> bool:
        """Whether the run ended by itself, without an error, and left a trace."""
        return self.finished and self.trace is not None
