"""Find variables on an axis that nobody reads: equal runs say little about a misspelt name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from detaudit.axes.catalogue import axis_named
from detaudit.axes.variable import ARITHMETIC_VARIABLES
from detaudit.model.plan import Intervention
from detaudit.model.result import Notice
from detaudit.sources import variables
from detaudit.trace.data import read_ledger
from detaudit.vary.experiment import Experiment, Failure, Run


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
        yield Notice("unread", f"no line of the program was seen to read {name}: is it spelt so?")
