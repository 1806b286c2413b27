"""Read what is asked for: axes and their values, checked and combined into sets of conditions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import product

from detaudit.axes.axis import MODEL_FILES
from detaudit.axes.catalogue import AXES, FAMILIES, axis_named, find_axis
from detaudit.errors import UsageError
from detaudit.model.plan import Target, TargetKind
from detaudit.model.variation import Conditions, Setting
from detaudit.vary.options import Asked

_IN_A_TEST = "give assert_same a model file instead: detaudit.assert_same('model.py', vary=...)"
_EXAMPLE = "--vary threads=1,2"


def read_options(texts: Iterable[str]) -> Asked:
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
            raise UsageError("vary-twice", f"{axis} is given twice", hint)
        asked[axis] = list(_taken_apart(values))
    return read_table(asked)


def read_table(table: Mapping[str, Sequence[object]]) -> Asked:
    """Read axes and values as Python has them: `{"threads": [1, 2]}`.

    Raises UsageError for an axis that is not known, has fewer than two values, or one it cannot have.
    """
    if not isinstance(table, Mapping):
        hint = "give axes and their values: {'threads': [1, 2]}"
        raise UsageError("vary-invalid", f"vary={table!r} is no table of axes", hint)
    asked: dict[str, Sequence[Setting]] = {}
    for name, values in table.items():
        _check_name(name)
        asked[name] = _settings(name, values)
    for name in asked:
        alone = axis_named(name).alone
        if alone and len(asked) > 1:
            hint = f"ask for it by itself: {name}={alone}"
            raise UsageError("vary-alone", f"{name} cannot vary together with other axes", hint)
    return asked


def check_target(asked: Asked, target: Target) -> None:
    """Raise UsageError for an axis that this kind of target cannot take, saying why and what to do."""
    for name in asked:
        axis = axis_named(name)
        if target.kind not in axis.targets:
            in_a_test = target.kind is TargetKind.TEST and axis.targets == MODEL_FILES
            words = axis.refusal.format(axis=name, target=target.summary.kind)
            raise UsageError("vary-not-here", words, _IN_A_TEST if in_a_test else axis.instead)


def combinations(asked: Asked) -> Iterator[Conditions]:
    """Each combination of values; the first one is what the others are held against."""
    if not asked:
        raise UsageError("vary-nothing", "no axis to vary is given", "give vary={'threads': [1, 2]}")
    yield from product(*asked.values())


def in_words(conditions: Conditions) -> str:
    """`threads=1, mkldnn=off`."""
    return ", ".join(map(str, conditions))


def differing(first: Conditions, second: Conditions) -> tuple[str, ...]:
    """List the axes on which two combinations have different values."""
    pairs = zip(first, second, strict=True)
    return tuple(ours.axis for ours, theirs in pairs if ours.text != theirs.text)


def _taken_apart(values: str) -> list[str]:
    try:
        return next(csv.reader([values], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        hint = 'put a value with a comma in it in double quotes, and close them: args="--a 1,2","--a 3"'
        raise UsageError(
            "vary-invalid", f"the values {values!r} cannot be taken apart: {error}", hint
        ) from None


def _check_name(axis: object) -> None:
    if not isinstance(axis, str):
        raise UsageError("vary-unknown", f"no axis has the name {axis!r}", "the name of an axis is a text")
    if find_axis(axis) is not None:
        return
    nearest = get_close_matches(axis, AXES, n=1)
    known = f"known are {', '.join(AXES)} and {', '.join(family.words for family in FAMILIES)}"
    hint = f"did you mean {nearest[0]}? {known}" if nearest else known
    raise UsageError("vary-unknown", f"no axis has the name {axis!r}", hint)


def _settings(name: str, values: Sequence[object]) -> tuple[Setting, ...]:
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    if not listed or len({str(value) for value in values}) < 2:  # noqa: PLR2004 - a pair
        hint = f"give a list of at least two: {{{name!r}: [1, 2]}}, or on the command line {_EXAMPLE}"
        raise UsageError("vary-single", f"{name} cannot vary with fewer than two values", hint)
    settings = tuple(axis_named(name).setting(value) for value in values)
    if len({one.text for one in settings}) < len(settings):
        raise UsageError("vary-single", f"{name} has a value twice", "give each value once")
    return settings
