"""Carry out a run plan: as many runs as it asks for, each in a fresh process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from detaudit.errors import RunError
from detaudit.model.plan import RunOutcome, RunPlan
from detaudit.run.launch import Launched, collect, launched, wait
from detaudit.run.progress import Progress

_REPORT_SECONDS = 0.5


def execute(plan: RunPlan, folder: Path, progress: Progress) -> list[RunOutcome]:
    """Run the target `plan.runs` times under `folder` and return what became of each run, in order.

    A run that fails does not end the others; KeyboardInterrupt ends them all. Raises RunError if a run
    cannot be started or its trace cannot be completed.
    """
    runs = [str(number) for number in range(1, plan.runs + 1)]
    stop = Event()
    with ThreadPoolExecutor(plan.jobs) as pool:
        futures = [pool.submit(_one, plan, run, folder, progress, stop) for run in runs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            # Also on Ctrl-C: the pool would otherwise wait for the runs to end by themselves.
            stop.set()
            for future in futures:
                future.cancel()
            raise


def _one(plan: RunPlan, run: str, folder: Path, progress: Progress, stop: Event) -> RunOutcome:
    own = folder / f"run{run}-{plan.level.value}"
    try:
        own.mkdir(parents=True)
    except OSError as error:
        raise RunError(
            "folder-not-writable", f"cannot make {own}: {error.strerror}", "name another folder"
        ) from error
    progress.run_started(run, plan.runs, plan.level.value)
    with launched(plan, run, own) as under_way:
        timed_out = watch(plan, under_way, progress, stop)
    outcome = collect(under_way, timed_out=timed_out)
    progress.run_ended(run, under_way.steps(), outcome.seconds)
    return outcome


def watch(plan: RunPlan, run: Launched, progress: Progress, stop: Event | None = None) -> bool:
    """Wait for a run to end, or for `stop`; True if its time was up first."""
    shown = time.monotonic()
    while not wait(run.process):
        elapsed = time.monotonic() - run.started
        if stop is not None and stop.is_set():
            return False
        if plan.timeout is not None and elapsed > plan.timeout:
            return True
        if time.monotonic() - shown > _REPORT_SECONDS:
            shown = time.monotonic()
            progress.run_stepped(run.id, run.steps(), elapsed)
    return False
