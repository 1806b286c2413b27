"""Say whether a condition was in force, and which variables nobody reads: else runs agree for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from detaudit.axes.catalogue import axis_named, axis_of
from detaudit.axes.variable import ARITHMETIC_VARIABLES
from detaudit.model.plan import Intervention
from detaudit.model.result import Notice
from detaudit.model.variation import Conditions
from detaudit.sources import variables
from detaudit.trace.data import read_ledger
from detaudit.trace.reader import TraceReader
from detaudit.vary.experiment import Experiment, Failure, Run


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


def variables_on(axes: Iterable[str]) -> set[str]:
    """Select the environment variables among the axes."""
    return {axis_named(axis).variable for axis in axes} - {""}


def watching(names: Iterable[str]) -> tuple[Intervention, ...]:
    """Make the intervention with which the ledger notes the lines that read these variables."""
    listed = ",".join(sorted(names))
    return (Intervention(variables.NAME, amount=listed),) if listed else ()


def unused_variables(experiment: Experiment, run: Run, axes: Iterable[str]) -> Iterator[Notice]:
    """Run once more with an eye on who reads the variables, and say which of them nobody was seen to read.

    Those that torch and its libraries read for themselves, below Python, are left out.
    """
    names = variables_on(axes) - ARITHMETIC_VARIABLES
    if not names:
        return
    plan = replace(run.plan, held=watching(names), ledger=True)
    again = experiment.once(run, plan)
    if isinstance(again, Failure):
        return
    seen = {entry.fact.about for entry in read_ledger(again.reader) if entry.source == variables.NAME}
    for name in sorted(names - seen):
        yield Notice("unread", f"no line of the program was seen to read {name}: check the spelling")
