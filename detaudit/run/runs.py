"""The runs of one audit: each plan is carried out in a folder of its own, and all runs are counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from detaudit.model.plan import RunOutcome, RunPlan
from detaudit.run.progress import Progress
from detaudit.run.runner import execute


@dataclass(slots=True)
class Runs:
    """Runs targets, and counts the runs."""

    folder: Path
    """The folder in which each plan gets a folder of its own."""
    progress: Progress
    parent: Runs | None = None
    """Runs that these ones are a part of, and are counted among."""
    count: int = field(default=0, init=False)
    """Runs so far, those of the parts included."""

    def carry_out(self, plan: RunPlan, name: str = "") -> list[RunOutcome]:
        """Run the target of a plan as often as the plan says; raises RunError as `execute` does."""
        self.add(plan.runs)
        return execute(plan, self.folder / name, self.progress)

    def once(self, plan: RunPlan, name: str) -> RunOutcome:
        """Run the target of a plan that asks for one run."""
        (outcome,) = self.carry_out(plan, name)
        return outcome

    def below(self, name: str) -> Runs:
        """Make runs in a folder below this one, which are counted here too."""
        return Runs(self.folder / name, self.progress, self)

    def add(self, runs: int) -> None:
        """Count runs here, and where these runs are a part."""
        self.count += runs
        if self.parent is not None:
            self.parent.add(runs)
