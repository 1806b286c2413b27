"""Define the records about operator calls: of two runs, and of one saved call made many times."""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.variation import Apart


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """Identifies a call among all calls of its step."""

    phase: str
    root: str
    module: str | None
    operator: str
    """The operator's name as in a trace: `aten.addmm.default`."""
    occurrence: int
    """The number of earlier calls of the operator in that module and phase in the step."""


@dataclass(frozen=True, slots=True)
class KeptOperator:
    """A call that the first run kept."""

    number: int
    identity: OperatorIdentity
    site: str
    """Key of its line, in hexadecimal."""
    drawn: bool = False
    """Whether the call drew random numbers: then its results do not follow from its arguments alone."""
    inputs: str = ""
    """Digest of the values that it read, in hexadecimal."""
    outputs: tuple[str, ...] = ()
    """Digests of the tensors that it gave and wrote to."""
    arguments: str | None = None
    """JSON text that only runs read: `args` and `kwargs`, with tensors by their files; None if not kept."""
    given: str | None = None
    """JSON text of the tensors that it gave and wrote to, in the same form."""
    why: str = ""
    """Why its values are not kept; empty if they are."""


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """Answer of the second run to a call that the first run kept."""

    number: int
    changed: bool = False
    """Whether the call gave other bits."""
    apart: Apart | None = None
    """The distance, if it could be measured."""
    unsteady: bool = False
    """Whether the call gives other bits each time that it is made."""
    why: str = ""
    """Why the call could not be compared; empty if it could."""


@dataclass(frozen=True, slots=True)
class OnlyHere:
    """A call that only the second run makes."""

    identity: OperatorIdentity
    site: str


@dataclass(frozen=True, slots=True)
class CallToRepeat:
    """A kept call that must be made several times."""

    number: int


@dataclass(frozen=True, slots=True)
class Replay:
    """Results of an operator that was run many times with equal inputs."""

    times: int
    distinct: int
    """Number of different results."""
    differs: int
    """Number of results that differ from the first one."""
    largest_absolute: float
    largest_relative: float
    largest_ulp: float | None
    """Distance in units in the last place; None if no result differs, or results are not floating-point."""
    elements: int
    """The largest number of elements in which a result differs from the first one."""
    not_a_number: int
    """The largest number of elements that are NaN on one side only."""
    output_index: int
    """Position of the first output or written argument that differs."""
    shape: tuple[int, ...]
    dtype: str
    device: str
    threads: int
    threads_tried: tuple[int, ...]
    """Numbers of threads that were tried, this one last: more if the run's own number gives no difference."""
    first: str
    """Digest of the first result, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class SavedCall:
    """Description of a saved call, in words and in Python."""

    operator: str
    """The operator's name with its overload: `aten.index_put_.default`."""
    device: str
    threads: int
    """Number of threads in the run."""
    backward: bool
    accumulate: bool
    """Whether the call adds to the existing values, for operators that can either add or replace."""
    arguments: dict[str, str]
    """Each argument by name: type and shape, or the value."""
    outputs: tuple[str, ...]
    """Python expressions for its outputs and written arguments, using `result`, `args` and `kwargs`."""
    settings: tuple[str, ...]
    """Python statements that make the settings of the run."""
    prepare: tuple[str, ...]
    """Python statements that must run before each call; they use `saved`."""


@dataclass(frozen=True, slots=True)
class SettingTried:
    """The result of one setting."""

    setting: str
    replay: Replay | None
    error: str = ""
    """Why the setting could not be tried, if there is no replay."""
