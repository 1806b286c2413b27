"""What an audit works with: how to run the target, where to put the runs, whom to tell."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from detaudit.model.plan import Capture, Intervention, RunOutcome, RunPlan
from detaudit.model.result import ALL
from detaudit.model.trace import Level
from detaudit.run.progress import Progress
from detaudit.run.runner import execute


@dataclass(slots=True)
class Case:
    """One audit under way."""

    plan: RunPlan
    folder: Path
    progress: Progress
    asked: str = ALL
    """What the audit is about: all, or the training alone."""
    steady: bool = False
    """Whether each side repeats itself bit for bit: then nothing that differs from run to run is guilty."""
    started: float = field(default_factory=time.time, init=False)
    """When the audit began, in seconds since the epoch."""
    extra_runs: int = field(default=0, init=False)
    """Runs beyond those of the plan: what looking for the cause has cost."""

    def run(self) -> list[RunOutcome]:
        """Run the target as often as the plan says."""
        return execute(self.plan, self.folder, self.progress)

    def run_again(
        self,
        name: str,
        *,
        runs: int,
        level: Level,
        window: tuple[int, int] | None = None,
        held: tuple[Intervention, ...] = (),
        varied: tuple[Intervention, ...] = (),
        ledger: bool = False,
        capture: Capture | None = None,
        later: bool = False,
    ) -> list[RunOutcome]:
        """Run the target again under other conditions, in a folder of that name; not beyond the window.

        `later`: where the plan has other conditions for the runs behind the first, all runs are such.
        """
        steps = self.plan.steps if window is None else window[1]
        plan = replace(
            self.plan.of_later_runs() if later else self.plan,
            runs=runs,
            level=level,
            window=window,
            steps=steps,
            held=held,
            varied=varied,
            ledger=ledger or bool(held or varied),
            capture=capture,
        )
        self.extra_runs += runs
        return execute(plan, self.folder / name, self.progress)
