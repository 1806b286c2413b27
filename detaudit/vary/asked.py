"""What is asked for: axes and their values, read, checked, and put together to sets of conditions."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import product

from detaudit.errors import UsageError
from detaudit.model.axes import ARGUMENTS, AXES, BATCH, ENVIRONMENT, axis_named
from detaudit.model.plan import Target, TargetKind

Asked = Mapping[str, Sequence[object]]
"""Axes and the values of each, at least two: `{"threads": [1, 2]}`."""
Chosen = tuple[tuple[str, str], ...]
"""One value for each axis."""

_WITH_ARGUMENTS = frozenset({TargetKind.SCRIPT, TargetKind.MODULE})
_IN_A_TEST = "give assert_same a model file instead: detaudit.assert_same('model.py', vary=...)"
_EXAMPLE = "--vary threads=1,2"


def asked_in(texts: Iterable[str]) -> dict[str, list[object]]:
    """Read `AXIS=A,B` as the command line has it; a value with a comma in it stands in double quotes.

    Raises UsageError for what cannot be read, and for an axis that is named twice.
    """
    asked: dict[str, list[object]] = {}
    for text in texts:
        axis, equals, values = text.partition("=")
        if not equals:
            raise UsageError("vary-invalid", f"--vary {text} has no values", f"say {_EXAMPLE}")
        if axis in asked:
            hint = f"give all its values at once: {axis}=A,B,C"
            raise UsageError("vary-twice", f"{axis} is to vary twice", hint)
        asked[axis] = list(_taken_apart(values))
    check_axes(asked)
    return asked


def _taken_apart(values: str) -> list[str]:
    try:
        return next(csv.reader([values], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        hint = 'put a value with a comma in it in double quotes, and close them: args="--a 1,2","--a 3"'
        raise UsageError(
            "vary-invalid", f"the values {values!r} cannot be taken apart: {error}", hint
        ) from None


def check_axes(asked: Asked) -> None:
    """Raise UsageError for an axis that is not known, has fewer than two values, or one it cannot have."""
    if not isinstance(asked, Mapping):
        hint = "give axes and their values: {'threads': [1, 2]}"
        raise UsageError("vary-invalid", f"vary={asked!r} is no table of axes", hint)
    for axis, values in asked.items():
        _check_name(axis)
        _check_values(axis, values)
    if BATCH in asked and len(asked) > 1:
        hint = "ask for it by itself: batch=1,8"
        raise UsageError("vary-alone", "batch cannot vary together with other axes", hint)


def check_target(asked: Asked, target: Target) -> None:
    """Raise UsageError for an axis that this kind of target cannot take, saying why and what to do."""
    kind = target.summary.kind
    for name in asked:
        axis = axis_named(name)
        if axis.driven and target.kind is not TargetKind.MODEL_FILE:
            instead = _IN_A_TEST if target.kind is TargetKind.TEST else axis.instead
            raise UsageError("vary-not-here", f"{name} cannot vary for a {kind}", instead)
        if name == ARGUMENTS and target.kind not in _WITH_ARGUMENTS:
            hint = "vary an environment variable that it reads, env:NAME=A,B, or audit a script"
            raise UsageError("vary-not-here", f"a {kind} takes no arguments that could vary", hint)


def combinations(asked: Asked) -> Iterator[Chosen]:
    """Each combination of values; the first one is what the others are held against."""
    if not asked:
        raise UsageError("vary-nothing", "no axis to vary is given", "say vary={'threads': [1, 2]}")
    yield from product(*([(axis, str(value)) for value in values] for axis, values in asked.items()))


def in_words(chosen: Chosen) -> str:
    """`threads=1, mkldnn=off`."""
    return ", ".join(f"{axis}={value}" if value.strip() else f'{axis}=""' for axis, value in chosen)


def differing(first: Chosen, second: Chosen) -> tuple[str, ...]:
    """The axes on which two combinations do not have the same value."""
    return tuple(axis for (axis, ours), (_, theirs) in zip(first, second, strict=True) if ours != theirs)


def _check_name(axis: object) -> None:
    if not isinstance(axis, str):
        raise UsageError("vary-unknown", f"nothing is known that varies {axis!r}", "axes have names")
    if axis in AXES or (axis.startswith(ENVIRONMENT) and len(axis) > len(ENVIRONMENT)):
        return
    nearest = get_close_matches(axis, AXES, n=1)
    known = f"known are {', '.join(AXES)} and {ENVIRONMENT}NAME for an environment variable"
    hint = f"did you mean {nearest[0]}? {known}" if nearest else known
    raise UsageError("vary-unknown", f"nothing is known that varies {axis!r}", hint)


def _check_values(name: str, values: Sequence[object]) -> None:
    axis = axis_named(name)
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    if not listed or len({str(value) for value in values}) < 2:  # noqa: PLR2004 - a pair
        hint = f"give a list of at least two: {{{name!r}: [1, 2]}}, or on the command line {_EXAMPLE}"
        raise UsageError("vary-single", f"{name} is to vary, but has fewer than two values", hint)
    for value in values:
        if not re.fullmatch(axis.pattern, str(value), re.DOTALL):
            raise _impossible(name, value, axis.expected)
        if name == ARGUMENTS:
            _check_quotes(str(value))
    if len({str(value) for value in values}) < len(values):
        raise UsageError("vary-single", f"{name} has a value twice", "give each value once")


def _impossible(name: str, value: object, expected: str) -> UsageError:
    nearest = get_close_matches(str(value), re.split(r", | or ", expected), n=1)
    hint = f"did you mean {nearest[0]}? give {expected}" if nearest else f"give {expected}"
    return UsageError("vary-value", f"{name} cannot be {value!r}", hint)


def _check_quotes(arguments: str) -> None:
    try:
        shlex.split(arguments)
    except ValueError as error:
        hint = 'close every quote: args="--name \'a b\'",""'
        raise UsageError(
            "vary-value", f"the arguments {arguments!r} cannot be taken apart: {error}", hint
        ) from None
