"""Define the records of two runs about the operator calls of one step."""

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
class Answer:
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
class Again:
    """A kept call that must be made several times."""

    number: int
