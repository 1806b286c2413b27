"""All axes: whatever a module of this package defines as `AXIS`, or as `FAMILY` of many.

A new file here is a new axis: nothing else has to know of it.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from detaudit import axes
from detaudit.axes.axis import ANY_TARGET, Axis, Family
from detaudit.model.variation import Promise, Setting

_PROMISES = list(Promise)


def _declared() -> Iterator[object]:
    for module in pkgutil.iter_modules(axes.__path__):
        names = vars(import_module(f"{axes.__name__}.{module.name}"))
        yield from (names.get("AXIS"), names.get("FAMILY"))


def _order(axis: Axis[Any]) -> tuple[int, bool, str]:
    """Put those first that owe the most, and that any target can take."""
    return _PROMISES.index(axis.owes), axis.targets != ANY_TARGET, axis.name


_DECLARED = tuple(_declared())

AXES: Mapping[str, Axis[Any]] = {
    axis.name: axis for axis in sorted((one for one in _DECLARED if isinstance(one, Axis)), key=_order)
}
"""The axes that have a name of their own."""

FAMILIES = tuple(one for one in _DECLARED if isinstance(one, Family))


def find_axis(name: str) -> Axis[Any] | None:
    """Look an axis up by its name; None if there is none of that name."""
    families = (one for one in FAMILIES if name.startswith(one.prefix) and name != one.prefix)
    family = next(families, None)
    return AXES.get(name) if family is None else family.member(name.removeprefix(family.prefix))


def axis_named(name: str) -> Axis[Any]:
    """Look an axis up that is known to be there. Raises KeyError if it is not."""
    axis = find_axis(name)
    if axis is None:
        raise KeyError(name)
    return axis


def axis_of(setting: Setting) -> Axis[Any]:
    """Look up the axis of a setting."""
    return axis_named(setting.axis)


def weakest(names: Iterable[str]) -> Promise:
    """Tell what may be expected where several axes differ at once."""
    return max((axis_named(name).owes for name in names), key=_PROMISES.index)
