"""Read the text of a value: whole numbers, words, texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar

from detaudit.errors import UsageError

T = TypeVar("T")


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
