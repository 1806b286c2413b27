"""The parts of an axis of `--vary`. To add an axis, add a file that declares one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from detaudit.errors import UsageError
from detaudit.model.plan import TargetKind
from detaudit.model.variation import Promise, Setting

if TYPE_CHECKING:
    from detaudit.trace.reader import TraceReader

T = TypeVar("T")
"""The type of a value, once it is read: whole numbers for `threads`."""

_MOST_LINES = 2
"""Lines of an error's message that are passed on; compilers have hundreds."""

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
    """The change that the value makes to a model that detaudit drives."""

    in_force: Callable[[TraceReader, T], str | None] | None = None
    """Says why the value had no effect in a run; None if it had an effect, or if that is not known."""
    used_by: Callable[[TraceReader], bool] | None = None
    """Says whether a run used the thing that the axis sets."""
    unused: str = ""
    """The message if no run used that thing."""

    of_samples: bool = False
    """Whether samples in different batches are compared, in one process, in the place of whole runs."""
    shares_draws: bool = False
    """Whether equal seeds give different random numbers, so that all runs use those of the first run."""
    hides_layers: bool = False
    """Whether the two sides cannot be matched layer by layer, only at the beginning and the end of a step."""
    operators_comparable: bool = True
    """Whether both sides call the same operators."""
    in_float64: str = ""
    """The value of the run in float64 that a model file is measured against; empty: as in the first run."""
    explains: str = ""
    """Other settings of the runs that had to be chosen, in words."""
    pin: str = ""
    """Advice how to keep the value as it is; empty: the usual words."""
    variable: str = ""
    """The environment variable, for an axis that only sets an environment variable."""

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


@dataclass(frozen=True, slots=True)
class Family:
    """Axes whose names begin alike."""

    prefix: str
    """`env:`."""
    words: str
    """The form of the names of these axes, for a reader."""
    member: Callable[[str], Axis[Any]]
    """Gives the axis for the rest of a name."""


def flag(name: str) -> Callable[[TraceReader, bool], str | None]:
    """Make the question whether a switch was in force, by its name in the environment of a trace."""

    def in_force(reader: TraceReader, on: bool) -> str | None:  # noqa: FBT001 - the value of an axis
        # A process that only starts others which train never loads torch: nothing is known then.
        return None if reader.info.environment.get(name, on) is on else "the program sets the value itself"

    return in_force


class OnModel:
    """Leaves model and batches alone, but for the methods that an axis overrides."""

    sets_tensors = False
    """Whether parameters and the tensors of a batch are replaced."""
    place = ""
    """The device that they are moved to: `cuda:1`."""

    def cast(self, tensor: Any) -> Any:
        """Give a tensor another dtype, before it is moved."""
        return tensor

    def lay_out(self, tensor: Any) -> Any:
        """Give a tensor another order in memory, once it is moved."""
        return tensor

    def check_batch(self) -> None:
        """Raise UnfitError if neither the model nor the batch just placed has what the axis changes."""

    def compiled(self, model: Any) -> Any:
        """Give what the loss sees in the place of the model."""
        return model

    def during_step(self) -> AbstractContextManager[None]:
        """Surround the making of the optimizer, and each step."""
        return nullcontext()

    def explain(self, error: Exception) -> str | None:
        """Say what went wrong, if the axis is to blame for an error; None if it is not."""
        del error
        return None


def in_brief(error: Exception) -> str:
    """Name an error with the first lines of its message."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    return f"{type(error).__name__}: {' '.join(lines[:_MOST_LINES])}"


@dataclass(frozen=True, slots=True)
class Syntax(Generic[T]):
    """The values of an axis."""

    expected: str
    """The possible values, for a reader."""
    read: Callable[[str], T]
    """Gives the value of a text; raises ValueError for a text that is none."""


def whole(least: int) -> Syntax[int]:
    """Read whole numbers, written without leading zeros where none is possible."""
    return Syntax(f"whole numbers from {least} on", lambda text: _whole(text, least))


def words(*possible: str, expected: str = "") -> Syntax[str]:
    """Read one of a few words."""

    def read(text: str) -> str:
        if text not in possible:
            raise ValueError(text)
        return text

    return Syntax(expected or " or ".join(possible), read)


def on_off() -> Syntax[bool]:
    """Read `on` as true and `off` as false."""
    one_of = words("on", "off")
    return Syntax(one_of.expected, lambda text: one_of.read(text) == "on")


def impossible(axis: str, value: object, expected: str) -> UsageError:
    """Make the error for a value that an axis cannot have, with the nearest that it can."""
    nearest = get_close_matches(str(value), re.split(r", | or ", expected), n=1)
    hint = f"did you mean {nearest[0]}? give {expected}" if nearest else f"give {expected}"
    return UsageError("vary-value", f"{axis} cannot be {value!r}", hint)


def _whole(text: str, least: int) -> int:
    # `int` alone takes signs, underscores, blanks and the digits of other scripts.
    if not re.fullmatch("[0-9]+", text) or (least and text.startswith("0")):
        raise ValueError(text)
    return int(text)
