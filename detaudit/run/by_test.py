"""Run several tests in one fresh pytest process, and record each of them by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from detaudit.model.plan import RunPlan
from detaudit.record.session import MAIN_TRACE
from detaudit.run.gather import complete
from detaudit.run.launch import launched
from detaudit.run.progress import Progress
from detaudit.run.runs import watch

FAILURE = "failure.txt"
"""A file in the folder of a test: the reason why the test did not pass."""


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """The result of one test in one process."""

    __test__ = False

    trace: Path | None
    """None if the test did not use torch, or did not run."""
    failure: str | None


def run_tests(plan: RunPlan, count: int, run: str, folder: Path, progress: Progress) -> list[TestOutcome]:
    """Run the plan's target, which is `count` tests, once, and give what became of each, in their order.

    `folder` is made. Raises RunError if the process cannot be started or a trace cannot be completed.
    """
    folder.mkdir(parents=True)
    progress.run_started(run, plan.runs, plan.level.value)
    with launched(replace(plan, on_request=True), run, folder) as under_way:
        timed_out = watch(plan, under_way, progress)
    code = under_way.process.returncode
    outcomes = [_outcome(folder / f"test{number}", code, timed_out=timed_out) for number in range(count)]
    progress.run_ended(run, 0, 0.0)
    return outcomes


def _outcome(folder: Path, code: int, *, timed_out: bool) -> TestOutcome:
    if not folder.is_dir():
        reason = (
            "the time was up" if timed_out else f"the process ended before the test, with exit status {code}"
        )
        return TestOutcome(None, reason)
    failure = folder / FAILURE
    text = failure.read_text(encoding="utf-8") if failure.exists() else None
    recorded = complete(folder, folder / MAIN_TRACE, 0 if text is None else 1, 0.0)
    return TestOutcome(folder / MAIN_TRACE if recorded else None, text)
