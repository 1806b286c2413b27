"""Runs under different conditions, held against each other bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from detaudit.compare.compare import compare
from detaudit.compare.result import finding_from, plain_result
from detaudit.diagnose.axes import combinations
from detaudit.diagnose.failure import failure_notices, why_failed
from detaudit.model.plan import RunOutcome, RunPlan, Target
from detaudit.model.result import AuditResult, Verdict
from detaudit.model.trace import Level
from detaudit.options import Settings
from detaudit.run.progress import Progress
from detaudit.run.runner import execute
from detaudit.run.workspace import workspace
from detaudit.trace.reader import TraceReader


def audit_varied(
    target: Target, settings: Settings, vary: Mapping[str, Sequence[object]], progress: Progress
) -> AuditResult:
    """Run a target once under each combination of values, and say whether all runs are the same bits.

    `vary` has at least two values for each axis: `{"threads": [1, 2]}`. Raises UsageError for an axis that
    is not known, or with fewer values.
    """
    conditions = list(combinations(vary))
    level = Level.LAYER if settings.level == "auto" else Level(settings.level)
    plan = RunPlan(target, 1, level, settings.seed, settings.steps, settings.timeout)
    with workspace(settings.keep) as folder, ExitStack() as stack:
        readers: dict[str, TraceReader] = {}
        for name, variables in conditions:
            (outcome,) = execute(replace(plan, variables=variables), folder / f"vary{len(readers)}", progress)
            if outcome.trace is None or outcome.exit_code or outcome.timed_out:
                return _failed(plan, name, outcome)
            readers[name] = stack.enter_context(TraceReader(outcome.trace))
        return _answer(plan, readers)


def _answer(plan: RunPlan, readers: Mapping[str, TraceReader]) -> AuditResult:
    (first, ours), *others = readers.items()
    comparisons = [compare(ours, theirs, (first, name)) for name, theirs in others]
    result = plain_result(plan.target.summary, readers, comparisons)
    if result.verdict is not Verdict.NOT_REPRODUCIBLE:
        return result
    different = [comparison for comparison in comparisons if not comparison.equal]
    findings = [
        replace(
            finding_from(comparison, differs=1, pairs=1, number=number),
            message=f"with {comparison.runs[1]} other bits than with {comparison.runs[0]}",
        )
        for number, comparison in enumerate(different, 1)
    ]
    return replace(result, findings=tuple(findings))


def _failed(plan: RunPlan, name: str, outcome: RunOutcome) -> AuditResult:
    reason = why_failed(plan, [outcome])
    return AuditResult(
        verdict=Verdict.UNVERIFIED,
        reason=f"with {name}: {reason}",
        target=plan.target.summary,
        runs=(),
        compared=None,
        findings=(),
        notices=failure_notices([outcome]),
    )
