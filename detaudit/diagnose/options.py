"""What a user can say about an audit of a target by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detaudit.model.plan import RunPlan, Target
from detaudit.model.result import ALL
from detaudit.options import BUDGET
from detaudit.run.options import RunOptions


@dataclass(frozen=True, slots=True)
class AuditOptions(RunOptions):
    """How a target is run, and what is asked about the runs."""

    runs: int = 2
    """Runs that are compared."""
    scope: str = ALL
    """The scope of the audit: all, or the training alone."""
    diagnose: bool = True
    """Whether to look for the cause where runs differ."""
    budget: str = BUDGET
    """The limit for finding the cause: a number of further runs, or seconds (`300s`)."""
    perturb: str | None = None
    """The things to change, one at a time, where the runs agree: names, or `all`."""
    repro: Path | None = None
    """The folder for scripts that show a nondeterministic operator differing by itself."""
    fix: Path | None = None
    """The folder for a patched copy of the target."""

    def plan_runs(self, target: Target) -> RunPlan:
        """Plan the runs that are compared."""
        return self.plan(target, self.runs, jobs=self.first_jobs)
