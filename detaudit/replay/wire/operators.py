"""What two runs say of the operator calls of one step."""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.variation import Apart


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """What tells a call from all others of its step."""

    phase: str
    root: str
    module: str | None
    operator: str
    """As in a trace: `aten.addmm.default`."""
    occurrence: int
    """How many calls of the operator in that module and phase the step has before it."""


@dataclass(frozen=True, slots=True)
class KeptOperator:
    """A call that the first run kept."""

    number: int
    identity: OperatorIdentity
    site: str
    """Key of its line, in hexadecimal."""
    drawn: bool = False
    """Whether it drew random numbers: what it gives is not what it makes of its arguments."""
    inputs: str = ""
    """Digest of what it read, in hexadecimal."""
    outputs: tuple[str, ...] = ()
    """Digests of what it gave and wrote."""
    arguments: str | None = None
    """JSON text that only runs read: `args` and `kwargs`, with tensors by their files; None: not kept."""
    given: str | None = None
    """The same of what it gave and wrote."""
    why: str = ""
    """Why its values are not kept, if they are not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the second run says of a call that the first one kept."""

    number: int
    changed: bool = False
    """Whether it gave other bits."""
    apart: Apart | None = None
    """How far apart, where that could be measured."""
    unsteady: bool = False
    """Whether it gives other bits from call to call."""
    why: str = ""
    """What kept it from being compared, if anything did."""


@dataclass(frozen=True, slots=True)
class OnlyHere:
    """A call that the first run does not have."""

    identity: OperatorIdentity
    site: str


@dataclass(frozen=True, slots=True)
class Again:
    """A kept call that is to be made several times."""

    number: int
