"""Hold what an audit works with: how to run the target, where to put the runs, whom to tell."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from detaudit.diagnose.budget import Budget, Load, measured, wrote_files
from detaudit.model.plan import Capture, Intervention, RunOutcome, RunPlan
from detaudit.model.result import ALL
from detaudit.model.trace import Level
from detaudit.options import AUTO
from detaudit.run.progress import Progress
from detaudit.run.runs import Runs

WIDEST = 90
"""Characters of a line about what is being tried; with the name of the tool in front, 100."""


@dataclass(slots=True)
class Case:
    """One audit under way."""

    plan: RunPlan
    runs: Runs
    asked: str = ALL
    """The scope of the audit: all, or the training alone."""
    steady: bool = False
    """Whether each side repeats itself bit for bit: then a source that differs from run to run is not
    guilty."""
    budget: Budget = field(default_factory=Budget)
    jobs: str = AUTO
    """How many further runs go side by side."""
    started: float = field(default_factory=time.time, init=False)
    """When the audit began, in seconds since the epoch."""
    load: Load | None = field(default=None, init=False)
    """The cores and the memory that a run needs; None before the first run."""
    _side_by_side: int | None = field(default=None, init=False)

    @property
    def folder(self) -> Path:
        """Where the runs leave their traces."""
        return self.runs.folder

    @property
    def progress(self) -> Progress:
        """Who is told what goes on."""
        return self.runs.progress

    @property
    def extra_runs(self) -> int:
        """Runs beyond those of the plan: what looking for the cause has cost."""
        return self.budget.runs

    def run(self) -> list[RunOutcome]:
        """Run the target as often as the plan says."""
        if self.plan.jobs > 1:
            return self.runs.carry_out(self.plan)
        outcomes, self.load = measured(lambda: self.runs.carry_out(self.plan))
        return outcomes

    def run_again(
        self,
        name: str,
        *,
        runs: int,
        level: Level,
        window: tuple[int, int] | None = None,
        steps: int | None = None,
        held: tuple[Intervention, ...] = (),
        perturbed: tuple[Intervention, ...] = (),
        ledger: bool = False,
        capture: Capture | None = None,
        later: bool = False,
        jobs: int | None = None,
    ) -> list[RunOutcome]:
        """Run the target again under other conditions, in a folder of that name; not beyond the window.

        `steps`: where the runs are to end earlier than those of the plan.
        `jobs`: how many runs go side by side; None: as many as the machine carries.
        `later`: where the plan has other conditions for the runs behind the first, all runs are such.
        """
        last = steps if window is None else window[1]
        plan = replace(
            self.plan.of_later_runs() if later else self.plan,
            runs=runs,
            level=level,
            window=window,
            steps=self.plan.steps
            if last is None
            else last
            if self.plan.steps is None
            else min(last, self.plan.steps),
            jobs=jobs or self.side_by_side,
            held=held,
            perturbed=perturbed,
            ledger=ledger or bool(held or perturbed),
            capture=capture,
        )
        self.budget.runs += runs
        return self.runs.carry_out(plan, name)

    @property
    def side_by_side(self) -> int:
        """How many further runs are made at a time."""
        if self.jobs != AUTO:
            return int(self.jobs)
        if self._side_by_side is None:
            alone = self.load is None or wrote_files(self.plan.target.path, self.started, self.folder)
            self._side_by_side = 1 if alone or self.load is None else self.load.side_by_side()
        return self._side_by_side

    def run_one_by_one(self) -> bool:
        """Make no more runs side by side, for they may meet; False if that was so already."""
        before, self._side_by_side = self.side_by_side, 1
        if self.jobs != AUTO:
            return False
        return before > 1

    def announce(self, what: str, why: str) -> None:
        """Say in one line what is tried now, why, and how long the search may still take."""
        seconds = 0.0 if self.load is None else self.load.seconds / max(1, self.plan.runs)
        left = f"; {self.budget.left_in_words(seconds, self.side_by_side)}"
        room = WIDEST - len(left) - len(why) - 3
        what = what if len(what) <= room else f"{what[: room - 3].rstrip(' ,')}..."
        self.progress.note(f"{what} ({why}){left}")
