"""Say whether a condition was in force: runs agree for nothing if a value had no effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detaudit.axes.catalogue import axis_named, axis_of
from detaudit.model.variation import Conditions
from detaudit.trace.reader import TraceReader


def without_effect(reader: TraceReader, conditions: Conditions) -> str | None:
    """Explain why one of the values was not in force in a run; None if all were, as far as is known."""
    for setting in conditions:
        in_force = axis_of(setting).in_force
        why = None if in_force is None else in_force(reader, setting.value)
        if why is not None:
            return f"{setting} had no effect: {why}"
    return None


def nothing_varied(readers: Mapping[str, TraceReader], axes: Iterable[str]) -> str | None:
    """Explain why an axis says nothing about a program that never asks for what the axis sets."""
    for name in axes:
        axis = axis_named(name)
        if axis.used_by is not None and not any(map(axis.used_by, readers.values())):
            return f"{name} says nothing here: {axis.unused}"
    return None
