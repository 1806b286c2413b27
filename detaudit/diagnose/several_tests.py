"""Audit many tests in few processes: all together, and a test by itself only where that is not enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from detaudit.compare.compare import compare
from detaudit.compare.result import plain_result
from detaudit.compare.scope import within_scope
from detaudit.model.plan import RunPlan
from detaudit.model.result import ALL, AuditResult, TargetSummary, Verdict
from detaudit.run.by_test import TestOutcome, run_tests
from detaudit.run.progress import Progress
from detaudit.run.workspace import workspace
from detaudit.trace.reader import TraceReader

OTHERS_MATTER = (
    "by itself in a fresh process, the test gives equal runs: the test depends on what earlier tests leave "
    "behind, or its runs differ rarely"
)

Alone = Callable[[str], AuditResult]
"""Audits one test by itself."""


def audit_tests(
    plan: RunPlan, tests: Sequence[str], alone: Alone, progress: Progress, scope: str = ALL
) -> Iterator[AuditResult]:
    """Say of each test whether its runs are the same; `plan.target` runs all of them.

    Where that gives no answer, or the runs differ, the test is audited by itself, to find out why; but not
    where an earlier one parts at the same line and event. Its cause is then taken over, as not confirmed.
    """
    with workspace(None) as folder:
        runs = [
            run_tests(plan, len(tests), str(number), folder / f"run{number}", progress)
            for number in range(1, plan.runs + 1)
        ]
        explained: dict[object, AuditResult] = {}
        for test, *outcomes in zip(tests, *runs, strict=True):
            together = within_scope(_together(test, outcomes), scope)
            if together.reproducible:
                yield together
                continue
            place = _place(together)
            known = explained.get(place)
            if known is not None:
                yield _like(known, together)
                continue
            closer = _closer(together, alone(test))
            if place is not None and closer.findings and closer.findings[0].cause is not None:
                explained[place] = closer
            yield closer


def _together(test: str, outcomes: Sequence[TestOutcome]) -> AuditResult:
    """Make the answer for one test from the runs in which other tests ran too."""
    target = TargetSummary("test", test)
    failure = next((one.failure for one in outcomes if one.failure is not None), None)
    traces = [one.trace for one in outcomes if one.trace is not None]
    if failure is not None or len(traces) < len(outcomes):
        return AuditResult.unanswered(failure or f"{test} trains nothing", target)
    return _compared(target, traces)


def _compared(target: TargetSummary, traces: Sequence[Path]) -> AuditResult:
    with ExitStack() as stack:
        readers = {
            str(number): stack.enter_context(TraceReader(trace)) for number, trace in enumerate(traces, 1)
        }
        comparisons = [compare(readers["1"], readers[run], ("1", run)) for run in list(readers)[1:]]
        return plain_result(target, readers, comparisons)


def _place(together: AuditResult) -> object:
    """Return the place where a test's runs part, equal for tests that part alike; None if not known."""
    if together.verdict is not Verdict.NOT_REPRODUCIBLE:
        return None
    first = together.findings[0]
    return None if first.site is None else (first.site, first.origin.phase, first.origin.event)


def _like(known: AuditResult, together: AuditResult) -> AuditResult:
    """Answer for a test that parts where another test does: its cause is not searched for again."""
    explained, found = known.findings[0], together.findings[0]
    finding = replace(
        found,
        id=explained.id,
        cause=explained.cause,
        site=explained.site,
        symbol=explained.symbol,
        message=f"{explained.message} (as in {known.target.name}, whose runs part at the same place)",
        fix=explained.fix,
    )
    return replace(together, findings=(finding,))


def _closer(together: AuditResult, alone: AuditResult) -> AuditResult:
    """Prefer the answer of a test that ran by itself, unless that answer shows no difference."""
    if together.verdict is Verdict.NOT_REPRODUCIBLE and alone.verdict is not Verdict.NOT_REPRODUCIBLE:
        told = OTHERS_MATTER if alone.reproducible else f"by itself: {alone.reason}"
        return replace(together, unexplained=(*together.unexplained, told))
    return alone
