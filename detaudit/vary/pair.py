"""Two sets of conditions of one target, and its runs under them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detaudit.model.plan import RunOutcome, RunPlan
from detaudit.model.trace import Level
from detaudit.run.runs import Runs
from detaudit.trace.reader import TraceReader


@dataclass(slots=True)
class Pair:
    """The two sides of a comparison: one target, run under two sets of conditions."""

    first: RunPlan
    """One run, under the conditions that the others are held against."""
    second: RunPlan
    names: tuple[str, str]
    """The conditions in words: `threads=1`."""
    runs: Runs


def up_to(plan: RunPlan, step: int) -> RunPlan:
    """Give the plan of the same run, up to the end of the step."""
    return replace(plan, runs=1, level=Level.LAYER, steps=step + 1, sketches=False)


def problems_of(outcome: RunOutcome) -> tuple[str, ...]:
    """List what the recorder of a run could not do."""
    if outcome.trace is None:
        return ()
    with TraceReader(outcome.trace) as reader:
        return reader.info.problems
