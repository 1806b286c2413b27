"""Runs under different conditions, held against each other: must be the same bits, or are told to differ.

An axis is something that is set from outside, by environment variables, before a run starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from difflib import get_close_matches
from itertools import product

from detaudit.compare.compare import compare
from detaudit.compare.result import finding_from, plain_result
from detaudit.diagnose.failure import failure_notices, why_failed
from detaudit.errors import UsageError
from detaudit.model.plan import RunOutcome, RunPlan, Target
from detaudit.model.result import AuditResult, TargetSummary, Verdict
from detaudit.model.trace import Level
from detaudit.options import Settings
from detaudit.run.progress import Progress
from detaudit.run.runner import execute
from detaudit.run.workspace import workspace
from detaudit.trace.reader import TraceReader

AXES: Mapping[str, tuple[str, ...]] = {
    "threads": ("OMP_NUM_THREADS", "MKL_NUM_THREADS"),
    "hash-seed": ("PYTHONHASHSEED",),
    "cpu-capability": ("ATEN_CPU_CAPABILITY",),
}
"""The axes that have a name, and the environment variables that are set for them."""

VARIABLE = "env:"
"""What the name of an axis begins with that is an environment variable."""

Variables = tuple[tuple[str, str], ...]


def audit_varied(
    target: Target, settings: Settings, vary: Mapping[str, Sequence[object]], progress: Progress
) -> AuditResult:
    """Run a target once under each combination of values, and say whether all runs are the same bits.

    `vary` has at least two values for each axis: `{"threads": [1, 2]}`. Raises UsageError for an axis that
    is not known, or with fewer values.
    """
    combinations = list(_combinations(vary))
    level = Level.LAYER if settings.level == "auto" else Level(settings.level)
    plan = RunPlan(target, 1, level, settings.seed, settings.steps, settings.timeout)
    with workspace(settings.keep) as folder, ExitStack() as stack:
        readers: dict[str, TraceReader] = {}
        for name, variables in combinations:
            (outcome,) = execute(replace(plan, variables=variables), folder / f"vary{len(readers)}", progress)
            if outcome.trace is None or outcome.exit_code or outcome.timed_out:
                return _failed(plan, name, outcome)
            readers[name] = stack.enter_context(TraceReader(outcome.trace))
        return _answer(plan, readers)


def _answer(plan: RunPlan, readers: Mapping[str, TraceReader]) -> AuditResult:
    (first, ours), *others = readers.items()
    comparisons = [compare(ours, theirs, (first, name)) for name, theirs in others]
    result = plain_result(_summary(plan), readers, comparisons)
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
        target=_summary(plan),
        runs=(),
        compared=None,
        findings=(),
        notices=failure_notices([outcome]),
    )


def _summary(plan: RunPlan) -> TargetSummary:
    return TargetSummary(plan.target.kind.value, plan.target.name, plan.target.args)


def _combinations(vary: Mapping[str, Sequence[object]]) -> Iterator[tuple[str, Variables]]:
    """Each combination of values, in words, and what is set for it."""
    if not vary:
        raise UsageError("vary-nothing", "no axis to vary is given", "say vary={'threads': [1, 2]}")
    for axis, values in vary.items():
        _check_axis(axis, values)
    for combination in product(*([(axis, value) for value in values] for axis, values in vary.items())):
        name = ", ".join(f"{axis}={value}" for axis, value in combination)
        yield name, tuple((variable, str(value)) for axis, value in combination for variable in _set_by(axis))


def _set_by(axis: str) -> tuple[str, ...]:
    return (axis.removeprefix(VARIABLE),) if axis.startswith(VARIABLE) else AXES[axis]


def _check_axis(axis: str, values: Sequence[object]) -> None:
    if axis not in AXES and not (axis.startswith(VARIABLE) and len(axis) > len(VARIABLE)):
        nearest = get_close_matches(axis, AXES, n=1)
        known = f"known are {', '.join(AXES)} and {VARIABLE}NAME for an environment variable"
        hint = f"did you mean {nearest[0]}? {known}" if nearest else known
        raise UsageError("vary-unknown", f"nothing is known that varies {axis!r}", hint)
    if isinstance(values, str) or len({str(value) for value in values}) < 2:  # noqa: PLR2004 - a pair
        hint = f"give a list of at least two: {{{axis!r}: [1, 2]}}"
        raise UsageError("vary-single", f"{axis} is to vary, but has fewer than two values", hint)
