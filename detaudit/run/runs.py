"""The runs of one audit: each in a fresh process, each plan in a folder of its own, and all runs counted."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from detaudit.errors import OutputError, RunError
from detaudit.model.plan import RunOutcome, RunPlan, TargetRef
from detaudit.run.launch import Launched, collect, launched
from detaudit.run.options import RunOptions
from detaudit.run.progress import Progress
from detaudit.run.workspace import workspace
from detaudit.targets.find import find_target

_POLL_SECONDS = 0.05
_REPORT_SECONDS = 0.5


@dataclass(slots=True)
class Runs:
    """Runs targets, and counts the runs."""

    folder: Path
    """The folder in which each plan gets a folder of its own."""
    progress: Progress
    parent: Runs | None = None
    """The runs that include these runs, and count them."""
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


def execute(plan: RunPlan, folder: Path, progress: Progress) -> list[RunOutcome]:
    """Run the target `plan.runs` times under `folder` and return what became of each run, in order.

    After a run that fails, no further one is started: there is nothing to compare it with. KeyboardInterrupt
    ends all that are under way. Raises RunError if a run cannot be started or its trace cannot be completed.
    """
    series = _Series(plan, folder, progress)
    with ThreadPoolExecutor(plan.jobs) as pool:
        futures = [pool.submit(series.run, str(number)) for number in range(1, plan.runs + 1)]
        try:
            outcomes = [future.result() for future in futures]
        except BaseException:
            # Also on Ctrl-C: the pool would otherwise wait for the runs to end by themselves.
            series.stop.set()
            for future in futures:
                future.cancel()
            raise
    return [outcome for outcome in outcomes if outcome is not None]


@dataclass(frozen=True)
class _Series:
    """The runs of one plan."""

    plan: RunPlan
    folder: Path
    progress: Progress
    stop: Event = field(default_factory=Event)
    failed: Event = field(default_factory=Event)

    def run(self, run: str) -> RunOutcome | None:
        """Carry out one run; None if an earlier one failed."""
        if self.failed.is_set():
            return None
        own = self.folder / f"run{run}-{self.plan.level.value}"
        try:
            own.mkdir(parents=True)
        except OSError as error:
            raise RunError(
                "folder-not-writable", f"cannot make {own}: {error.strerror}", "name another folder"
            ) from error
        self.progress.run_started(run, self.plan.runs, self.plan.level.value)
        with launched(self.plan.of_run(run), run, own) as under_way:
            timed_out = watch(self.plan, under_way, self.progress, self.stop)
        outcome = collect(under_way, timed_out=timed_out)
        self.progress.run_ended(run, under_way.steps(), outcome.seconds)
        if not outcome.ended_well:
            self.failed.set()
        return outcome


def watch(plan: RunPlan, run: Launched, progress: Progress, stop: Event | None = None) -> bool:
    """Wait for a run to end, or for `stop`; True if its time was up first."""
    shown = time.monotonic()
    while not run.process.wait(_POLL_SECONDS):
        elapsed = time.monotonic() - run.started
        if stop is not None and stop.is_set():
            return False
        if plan.timeout is not None and elapsed > plan.timeout:
            return True
        if time.monotonic() - shown > _REPORT_SECONDS:
            shown = time.monotonic()
            progress.run_stepped(run.id, run.steps(), elapsed)
    return False


def record(ref: TargetRef, options: RunOptions, output: Path, progress: Progress) -> RunOutcome:
    """Run a target once, its output passing through, and leave its trace at `output`.

    The trace is made elsewhere and moved there at the end, so a file that was there stays until then.
    Raises TargetError, RunError or OutputError.
    """
    plan = options.plan(find_target(ref))
    with workspace(None) as folder:
        with launched(plan, "1", folder, capture=False) as run:
            timed_out = watch(plan, run, progress)
        outcome = collect(run, timed_out=timed_out)
        if outcome.trace is None:
            return outcome
        try:
            shutil.move(outcome.trace, output)
        except OSError as error:
            raise OutputError(
                "trace-not-written",
                f"cannot write {output}: {error.strerror or error}",
                "name another file with -o",
            ) from error
        return replace(outcome, trace=output)
