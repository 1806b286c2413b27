"""What the second of two runs measured of the module calls of one step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from detaudit.model.trace import Site
from detaudit.model.variation import Apart
from detaudit.replay.arithmetic.proportion import Error

Identity = tuple[str, str, str, int]
"""A module call: root, path, phase, and how many calls of that module the step has before it."""

ONLY_FIRST, ONLY_SECOND = "first", "second"


class Origin(StrEnum):
    """Where a value comes from."""

    MADE = "made"
    """The call itself computes it."""
    START = "start"
    """A weight as the step finds it."""
    BATCH = "batch"
    """What the step begins with."""
    OUTSIDE = "outside"
    """The program computes it outside of modules, and hands it to the call: a later input, a gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRow:
    """One value of one module call, on both sides."""

    call: Identity
    kind: str
    """Class of the module, or of the optimizer."""
    phase: str
    value: str
    """`output`, `gradient of weight`, ..."""
    origin: Origin = Origin.MADE
    inner: bool = False
    """Whether it is the gradient of a weight that belongs to a module within, called in this call."""
    only: str | None = None
    """`first` or `second`, if only that run makes the call."""
    propagated: Apart | None = None
    """As the two runs have it."""
    isolated: Apart | None = None
    """Where both are fed the same."""
    first: Error | None = None
    """Error of the first side, where both are fed the same."""
    second: Error | None = None
    first_from_float64: float | None = None
    """Relative distance of what the first run has from what a whole run in float64 has."""
    second_from_float64: float | None = None
    apart64: float | None = None
    """Relative difference of what both runs' code gives in float64."""
    noise: float = 0.0
    """What rounding by chance, to `unit`, makes of it."""
    unit: float = 0.0
    wrong: str = ""
    """What is wrong whatever the arithmetic."""
    why: str = ""
    """Why it could not be isolated, if it could not."""


@dataclass(frozen=True, slots=True)
class Definition:
    """Where the program defines a layer."""

    root: str
    path: str
    site: Site


@dataclass(frozen=True, slots=True)
class MeasuredLayers:
    """All that was measured."""

    rows: tuple[ValueRow, ...]
    parents: tuple[tuple[Identity, Identity | None], ...]
    """Within which call each call was made."""
    unkept: tuple[tuple[Identity, str], ...]
    """Calls that could not be kept, and why."""
    compiled: bool
    definitions: tuple[Definition, ...]
    autocast: tuple[tuple[tuple[str, str], ...], ...]
    """Of both runs, the kinds of device and the dtypes for which `torch.autocast` was on."""
