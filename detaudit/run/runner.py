"""Carry out a run plan: as many runs as it asks for, each in a fresh process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from detaudit.errors import RunError
from detaudit.model.plan import RunOutcome, RunPlan
from detaudit.run.launch import Launched, collect, launched
from detaudit.run.progress import Progress

_POLL_SECONDS = 0.05
_REPORT_SECONDS = 0.5


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
