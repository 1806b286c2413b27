"""Define what the second of two runs measures of the module calls of one step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from detaudit.model.trace import Site
from detaudit.model.variation import Apart
from detaudit.replay.arithmetic.beyond_rounding import Error

Identity = tuple[str, str, str, int]
"""A module call: root, path, phase, and the number of earlier calls of that module in the step."""

ONLY_FIRST, ONLY_SECOND = "first", "second"


class ValueOrigin(StrEnum):
    """Where a value comes from."""

    MADE = "made"
    """The call itself computes it."""
    START = "start"
    """A weight before the step."""
    BATCH = "batch"
    """The input with which the step begins."""
    OUTSIDE = "outside"
    """Computed by the program outside of modules, and handed to the call: a later input, a gradient."""


@dataclass(slots=True, kw_only=True)
class Numbers:
    """One value of two runs in numbers."""

    propagated: Apart | None = None
    """Distance as the two runs recorded the value."""
    isolated: Apart | None = None
    """Distance if both sides compute from equal inputs."""
    first: Error | None = None
    """Error of the first side against float64, computed from equal inputs."""
    second: Error | None = None
    first_from_float64: float | None = None
    """Relative distance of the first run's value from that of a whole run in float64."""
    second_from_float64: float | None = None
    apart64: float | None = None
    """Relative distance of the two values that both runs' code gives in float64."""
    noise: float = 0.0
    """Relative change of the value by random rounding to `unit`."""
    unit: float = 0.0
    wrong: str = ""
    """A difference that no arithmetic explains."""
    why: str = ""
    """Why the value could not be computed from equal inputs; empty if it could."""


@dataclass(slots=True, kw_only=True)
class ValueRow(Numbers):
    """One value of one module call, in both runs."""

    call: Identity
    kind: str
    """Class of the module, or of the optimizer."""
    phase: str
    value: str
    """`output`, `gradient of weight`, ..."""
    origin: ValueOrigin = ValueOrigin.MADE
    inner: bool = False
    """Whether it is the gradient of a weight of an inner module that is called in this call."""
    only: str | None = None
    """`first` or `second`, if only that run makes the call."""


@dataclass(frozen=True, slots=True)
class Definition:
    """Where the program defines a layer."""

    root: str
    path: str
    site: Site


@dataclass(frozen=True, slots=True)
class MeasuredLayers:
    """All measurements of one step."""

    rows: tuple[ValueRow, ...]
    parents: tuple[tuple[Identity, Identity | None], ...]
    """Each call with the call inside which it was made, or None."""
    unkept: tuple[tuple[Identity, str], ...]
    """Calls that could not be kept, and why."""
    compiled: bool
    definitions: tuple[Definition, ...]
    autocast: tuple[tuple[tuple[str, str], ...], ...]
    """For each run, the kinds of device and the dtypes for which `torch.autocast` was on."""
