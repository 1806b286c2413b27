"""Two sets of conditions, and how to run the target once under one of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from detaudit.model.plan import RunOutcome, RunPlan
from detaudit.model.trace import Level
from detaudit.run.progress import Progress
from detaudit.run.runner import execute
from detaudit.trace.reader import TraceReader


@dataclass(slots=True)
class Pair:
    """What is held against each other: one target, run under two sets of conditions."""

    first: RunPlan
    """One run, under the conditions that the others are held against."""
    second: RunPlan
    names: tuple[str, str]
    """The conditions in words: `threads=1`."""
    folder: Path
    progress: Progress
    extra_runs: int = field(default=0, init=False)
    """Runs beyond the two whose bits are compared."""

    def run(self, plan: RunPlan, name: str) -> RunOutcome:
        """Carry out a variant of one of the two plans, in a folder of that name."""
        self.extra_runs += 1
        (outcome,) = execute(plan, self.folder / name, self.progress)
        return outcome


def ended_well(outcome: RunOutcome) -> bool:
    """Whether a run ended by itself, without an error, and left a trace."""
    return outcome.trace is not None and not outcome.exit_code and not outcome.timed_out


def up_to(plan: RunPlan, step: int) -> RunPlan:
    """The same run, up to the end of the step."""
    return replace(plan, runs=1, level=Level.LAYER, steps=step + 1, sketches=False)


def problems_of(outcome: RunOutcome) -> tuple[str, ...]:
    """What the recorder of a run could not do."""
    if outcome.trace is None:
        return ()
    with TraceReader(outcome.trace) as reader:
        return reader.info.problems
