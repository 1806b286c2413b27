"""The parts of an axis of `--vary`. To add an axis, add a file that declares one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from detaudit.axes.syntax import Syntax, impossible
from detaudit.model.axes import Promise, Setting
from detaudit.model.plan import TargetKind

if TYPE_CHECKING:
    from detaudit.axes.on_model import OnModel
    from detaudit.trace.reader import TraceReader

T = TypeVar("T")
"""The type of a value, once it is read: whole numbers for `threads`."""

ANY_TARGET = frozenset(TargetKind)
MODEL_FILES = frozenset({TargetKind.MODEL_FILE})
"""Targets that detaudit drives itself, so that it can do something to the model and its batches."""


class UnfitError(Exception):
    """The conditions of a run cannot be had; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis(Generic[T]):
    """One thing that `--vary` sets differently for two runs."""

    name: str
    owes: Promise
    """The promise that two runs which differ along the axis must keep."""
    syntax: Syntax[T]
    """The possible values, and the way to read their text."""

    targets: frozenset[TargetKind] = ANY_TARGET
    refusal: str = "{axis} cannot vary for a {target}"
    """The message for other targets."""
    instead: str = ""
    """The advice for these targets."""
    alone: str = ""
    """Values to ask for, where the axis cannot vary together with others: `1,8`."""

    environment: Callable[[T], Mapping[str, str]] | None = None
    """Environment variables that set the value; not used for a target whose model `model` changes."""
    arguments: Callable[[T], Sequence[str]] | None = None
    """Arguments of the program that set the value."""
    in_process: Callable[[T], None] | None = None
    """Sets or checks the value as soon as torch is loaded; raises UnfitError if the value is impossible."""
    needs_device: Callable[[T], str] | None = None
    """The kind of device that must be there: `cuda`."""
    model: Callable[[T], OnModel | None] | None = None
    """The effect of the value on a model that detaudit drives."""

    in_force: Callable[[TraceReader, T], str | None] | None = None
    """Says why the value had no effect in a run; None where it had, or where that is not known."""
    used_by: Callable[[TraceReader], bool] | None = None
    """Says whether a run asked for what the axis sets."""
    unused: str = ""
    """The message where none of the runs did."""

    of_samples: bool = False
    """Whether samples in different batches are compared, in one process, in the place of whole runs."""
    shares_draws: bool = False
    """Whether equal seeds give different random numbers, so that all runs use those of the first run."""
    hides_layers: bool = False
    """Whether only the beginning and the end of a step are seen alike on both sides."""
    operators_comparable: bool = True
    """Whether both sides call the same operators."""
    in_float64: str = ""
    """The value of the run in float64 that a model file is measured against; empty: as in the first run."""
    explains: str = ""
    """Other settings of the runs that had to be chosen, in words."""
    pin: str = ""
    """Advice how to keep the value as it is; empty: the usual words."""
    variable: str = ""
    """The environment variable that the axis is, where it is no more than that."""

    def value_in(self, setting: Setting) -> T:
        """Take the value out of a setting of this axis."""
        return cast("T", setting.value)

    def setting(self, value: object) -> Setting:
        """Read and check a value. Raises UsageError for one that the axis cannot have."""
        text = str(value)
        try:
            return Setting(self.name, text, self.syntax.read(text))
        except ValueError:
            raise impossible(self.name, value, self.syntax.expected) from None
