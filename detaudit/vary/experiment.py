"""The runs of one `--vary`: one under each set of conditions, again where the bits differ, and in pairs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from detaudit.axes.catalogue import axis_named
from detaudit.model.plan import Exchange, Part, RunOutcome, RunPlan
from detaudit.model.trace import Level
from detaudit.model.variation import Conditions
from detaudit.run.runs import Runs
from detaudit.trace.reader import TraceReader
from detaudit.vary.axis_syntax import in_words


@dataclass(frozen=True, slots=True)
class Run:
    """One run that ended well."""

    name: str
    """The conditions of the run in words."""
    conditions: Conditions
    plan: RunPlan
    reader: TraceReader
    folder: Path
    """The folder with what the run wrote beside the trace."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that did not end well."""

    name: str
    conditions: Conditions
    plan: RunPlan
    outcome: RunOutcome


@dataclass(slots=True)
class Experiment:
    """Makes the runs."""

    plan: RunPlan
    """The plan that all runs share: one run, with its conditions left open."""
    runs: Runs
    stack: ExitStack
    shares_draws: bool

    def run(self, conditions: Conditions, *, first: bool) -> Run | Failure:
        """Run once under these conditions; the other runs are compared with the first one."""
        return self._carry_out(in_words(conditions), conditions, self._plan(conditions, first=first))

    def again(self, run: Run, *, first: bool) -> Run | Failure:
        """Repeat a run, with sketches of the values, to see whether it repeats itself."""
        draws = run.plan.draws
        if draws is not None and first:
            # Its own draws are what is to repeat: it must not be given them.
            draws = replace(draws, folder=self.runs.folder / "draws-again")
        return self._carry_out(run.name, run.conditions, replace(run.plan, draws=draws, sketches=True))

    def once(self, run: Run, plan: RunPlan) -> Run | Failure:
        """Run once more under the conditions of `run`, with another plan."""
        return self._carry_out(run.name, run.conditions, plan)

    def _plan(self, conditions: Conditions, *, first: bool) -> RunPlan:
        draws = None
        if self.shares_draws:
            draws = Exchange(self.runs.folder / "draws", Part.KEEPS if first else Part.TAKES)
        return replace(self.plan, axes=conditions, draws=draws)

    def _carry_out(self, name: str, conditions: Conditions, plan: RunPlan) -> Run | Failure:
        self.runs.progress.note(f"running with {name}")
        outcome = self.runs.once(plan, f"vary{self.runs.count}")
        if outcome.trace is None or not outcome.finished:
            return Failure(name, conditions, plan, outcome)
        reader = self.stack.enter_context(TraceReader(outcome.trace))
        return Run(name, conditions, plan, reader, outcome.trace.parent)


def shares_draws(axes: Iterable[str]) -> bool:
    """Say whether the runs must be given the same random numbers."""
    return any(axis_named(axis).shares_draws for axis in axes)


@dataclass(slots=True)
class ConditionPair:
    """The two sides of a comparison: one target, run under two sets of conditions."""

    first: RunPlan
    """One run, under the conditions of the first side."""
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
