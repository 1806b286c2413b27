"""The nouns of `--vary`: values on axes, how far two runs are apart, and where the distance arises.

Pure data. No torch, no input or output. The axes themselves are declared in `detaudit.axes`.

Pure data. Part of the JSON contract, under the key `varied`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """What two runs that differ along an axis owe each other, the strictest first."""

    BITS = "bits"
    """The same bits: the axis must not change any number; a change is a fault."""
    ROUNDING = "rounding"
    """The same numbers up to rounding: the axis may choose other arithmetic, which changes last bits."""
    PRECISION = "precision"
    """The same numbers up to the rounding of each side's own device or dtype: equal bits cannot be had."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value on one axis, read and checked."""

    axis: str
    """Name of the axis: `threads`."""
    text: str
    """The value as it was typed, and as answers show it."""
    value: object
    """The value itself: a whole number for `threads`, true or false for `compile`."""

    def __str__(self) -> str:
        """Show it as on the command line: `threads=1`."""
        return f"{self.axis}={self.text}" if self.text.strip() else f'{self.axis}=""'


Conditions = tuple[Setting, ...]
"""One value for each axis of a run."""


@dataclass(frozen=True, slots=True)
class Apart:
    """How far two values of the same shape are apart."""

    relative: float
    """Euclidean norm of the difference over the larger norm; NaN where one of them is not finite."""
    ulp: float
    """Largest distance of two elements, in units in the last place of the coarser of the two dtypes, at the
    size of the larger of them (Goldberg, 1991)."""
    elements: int
    """Number of elements that differ."""
    of: int
    """Number of all elements."""


@dataclass(frozen=True, slots=True)
class LayerNumbers:
    """One tensor that one module makes, on both sides."""

    step: int
    phase: str
    """`forward`, `backward` or `optimizer`."""
    root: str
    module: str
    """Path below the root; empty: the root itself."""
    kind: str
    """Class of the module: `LayerNorm`."""
    value: str
    """`output`, `gradient of input`, `gradient of weight`, `weight`, ..."""
    propagated: Apart | None
    """Distance in the two runs; None if only one run has the tensor."""
    isolated: Apart | None
    """Distance if both sides get the inputs of the first side's module; None if that could not be
    measured."""
    first_error: float | None
    """Relative error of the first side, with these inputs, against the same module in float64 on the CPU."""
    second_error: float | None
    allowed: float | None
    """Largest error allowed, by the side's dtype and by how strongly the module reacts to rounded inputs."""
    of_allowed: float | None = None
    """The larger of both errors, each as a share of the error that the side's own dtype allows."""
    first_from_float64: float | None = None
    """Relative distance of the first run's value from the value in a whole run in float64 on the CPU that
    begins with the same weights, batches and random numbers; None if there is no such run."""
    second_from_float64: float | None = None
    flagged: bool = False
    """True if the error is out of proportion and this module makes it: no module inside of it is flagged."""
    why: str = ""
    """The fault, if flagged; else the reason why the module could not be isolated, if any."""


@dataclass(frozen=True, slots=True)
class OperatorNumbers:
    """One operator that gives other bits for the same inputs, all its calls in one module together."""

    step: int
    phase: str
    root: str
    module: str | None
    operator: str
    """As in a trace: `aten.addmm`."""
    file: str | None
    line: int | None
    calls: int
    """Number of calls."""
    changed: int
    """Number of calls that gave other bits."""
    apart: Apart | None
    """Distance in the call that is furthest apart, by ULP; None if that call failed on one side."""
    why: str = ""
    """The reason why it was not compared (no implementation on one side); empty if it was."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How far two runs are apart in one step."""

    step: int
    weights: float | None
    """Relative difference of all weights together, estimated from sketches; None where there are none."""
    loss: float | None


@dataclass(frozen=True, slots=True)
class Variation:
    """One run under other conditions, held against the first."""

    axes: tuple[str, ...]
    """The axes whose values differ."""
    first: str
    """The conditions of the first run: `threads=1`."""
    second: str
    promise: Promise
    """The weakest promise of these axes."""
    equal: bool
    """True if every number is the same bit for bit."""
    layers: tuple[LayerNumbers, ...] = ()
    operators: tuple[OperatorNumbers, ...] = ()
    growth: tuple[Growth, ...] = ()
    named: tuple[str, ...] = ()
    """Settings that explain a difference: TF32, a fused kernel on one side, autocast, ..."""
