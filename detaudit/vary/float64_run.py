"""Run a third time beside the two: the same training in float64 on the CPU, with the first run's draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from detaudit.axes.catalogue import AXES
from detaudit.compare.compare import compare
from detaudit.model.plan import Exchange, Part, TargetKind
from detaudit.model.variation import Conditions
from detaudit.replay.wire.files import FLOAT64
from detaudit.trace.reader import TraceReader
from detaudit.vary.pair import Pair, problems_of, up_to

_EXACT = {name: axis.setting(axis.in_float64) for name, axis in AXES.items() if axis.in_float64}
"""What makes the run an exact one: on the CPU, in float64, in eager mode."""


def run_in_float64(pair: Pair, values: Exchange, first: Path) -> str:
    """Leave the values of the step in a folder within that of `values`; why it could not be, if so.

    `first` is the trace of a run up to that step under the first conditions. Only a model that detaudit
    drives can be cast: for other targets nothing is done, and nothing said.
    """
    if pair.first.target.kind is not TargetKind.MODEL_FILE:
        return ""
    draws = pair.first.draws
    if draws is None:
        draws = Exchange(pair.runs.folder / "float64-draws", Part.KEEPS)
        drawing = pair.runs.once(replace(up_to(pair.first, values.step), draws=draws), "float64-draws")
        if drawing.trace is None or not _same(first, drawing.trace):
            return "no run in float64: with its random numbers kept, the first run gives other bits"
    plan = replace(
        up_to(pair.first, values.step),
        axes=_exactly(pair.first.axes),
        draws=replace(draws, part=Part.TAKES),
        values=Exchange(values.folder / FLOAT64, Part.KEEPS, values.step, replays=False),
    )
    outcome = pair.runs.once(plan, FLOAT64)
    if not outcome.ended_well:
        return "no run in float64: it failed"
    return next((f"no run in float64: {why}" for why in problems_of(outcome)), "")


def _exactly(conditions: Conditions) -> Conditions:
    """Give the conditions with those replaced that make the run exact."""
    return tuple(({one.axis: one for one in conditions} | _EXACT).values())


def _same(first: Path, second: Path) -> bool:
    with TraceReader(first) as one, TraceReader(second) as other:
        return compare(one, other).equal
