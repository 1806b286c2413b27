"""Axes along which conditions vary: what environment variables set before a run starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import product

from detaudit.errors import UsageError

AXES: Mapping[str, tuple[str, ...]] = {
    "threads": ("OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    "hash-seed": ("PYTHONHASHSEED",),
    "cpu-capability": ("ATEN_CPU_CAPABILITY",),
}
"""The axes that have a name, and the environment variables that are set for them."""

POSSIBLE: Mapping[str, tuple[str, str]] = {
    "threads": ("[1-9][0-9]*", "whole numbers from 1 on"),
    "hash-seed": ("random|[0-9]{1,10}", "whole numbers from 0 on"),
    "cpu-capability": ("default|avx2|avx512|vsx|zvector|sve|sve256", "default, avx2, avx512, ..."),
}
"""What their values look like. torch and OpenMP pass over any other, and nothing would vary."""

VARIABLE = "env:"
"""What the name of an axis begins with that is an environment variable."""

Variables = tuple[tuple[str, str], ...]


def combinations(vary: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, Variables]]:
    """Each combination of values, in words, and what is set for it."""
    if not vary:
        raise UsageError("vary-nothing", "no axis to vary is given", "say vary={'threads': [1, 2]}")
    check_axes(vary)
    for combination in product(*([(axis, value) for value in values] for axis, values in vary.items())):
        name = ", ".join(f"{axis}={value}" for axis, value in combination)
        yield name, tuple((variable, str(value)) for axis, value in combination for variable in _set_by(axis))


def check_axes(vary: Mapping[str, Sequence[object]]) -> None:
    """Raise UsageError for an axis that is not known, has fewer than two values, or one it cannot have."""
    if not isinstance(vary, Mapping):
        hint = "give axes and their values: {'threads': [1, 2]}"
        raise UsageError("vary-invalid", f"vary={vary!r} is no table of axes", hint)
    for axis, values in vary.items():
        _check_axis(axis, values)


def _set_by(axis: str) -> tuple[str, ...]:
    return (axis.removeprefix(VARIABLE),) if axis.startswith(VARIABLE) else AXES[axis]


def _check_axis(axis: str, values: Sequence[object]) -> None:
    if axis not in AXES and not (axis.startswith(VARIABLE) and len(axis) > len(VARIABLE)):
        nearest = get_close_matches(axis, AXES, n=1)
        known = f"known are {', '.join(AXES)} and {VARIABLE}NAME for an environment variable"
        hint = f"did you mean {nearest[0]}? {known}" if nearest else known
        raise UsageError("vary-unknown", f"nothing is known that varies {axis!r}", hint)
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    if not listed or len({str(value) for value in values}) < 2:  # noqa: PLR2004 - a pair
        hint = f"give a list of at least two: {{{axis!r}: [1, 2]}}"
        raise UsageError("vary-single", f"{axis} is to vary, but has fewer than two values", hint)
    possible, expected = POSSIBLE.get(axis, (".*", "text"))
    for value in values:
        if not re.fullmatch(possible, str(value)):
            raise UsageError("vary-value", f"{axis} cannot be {value!r}", f"give {expected}")
