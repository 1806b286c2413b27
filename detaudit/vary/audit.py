"""Audit along axes: run under each set of conditions, compare bit for bit, measure or explain the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from detaudit.axes.catalogue import axis_named, weakest
from detaudit.compare.compare import compare
from detaudit.compare.result import (
    finding_from,
    numbered,
    plain_result,
    summarize_run,
    why_unverified,
)
from detaudit.compare.scope import narrowed, within_scope
from detaudit.diagnose.audit import audit_target
from detaudit.diagnose.failure import failure_notices, why_failed
from detaudit.model.plan import Target
from detaudit.model.result import AuditResult, Comparison, Finding, Notice, Verdict
from detaudit.model.trace import Level
from detaudit.model.variation import Promise, Variation
from detaudit.run.progress import Progress
from detaudit.run.runs import Runs
from detaudit.run.workspace import workspace
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader
from detaudit.vary.axis_syntax import check_target, combinations, differing
from detaudit.vary.effect import nothing_varied, unused_variables, without_effect
from detaudit.vary.experiment import ConditionPair, Experiment, Failure, Run, shares_draws
from detaudit.vary.faults import find_source, is_other_data
from detaudit.vary.findings import explanations_of
from detaudit.vary.layers import measure_layers
from detaudit.vary.measured import Repeated, measure
from detaudit.vary.options import VaryOptions
from detaudit.vary.verdict import with_verdict

TOLD_BY_THE_AXES = frozenset({"conditions-differ"})
"""Notices that only repeat what the user asked for."""
OTHER_STATES = frozenset({"generator-differs"})
"""Notices that are expected if one run is given the random numbers of another."""


def audit_along_axes(target: Target, options: VaryOptions, progress: Progress) -> AuditResult:
    """Run a target once under each combination of values, and say how far the runs are the same.

    The first values of each axis are what the other runs are held against. Raises UsageError for an axis that
    the target cannot take.
    """
    axes, audit = options.axes, options.audit
    check_target(axes, target)
    if any(axis_named(name).of_samples for name in axes):
        from detaudit.vary.batch_answer import audit_samples

        return audit_samples(target, options, progress)
    # Of compiled code, no more than what steps begin and end with can be seen.
    hidden = any(axis_named(name).hides_layers for name in axes)
    level = audit.level_or(Level.STEP if hidden else Level.LAYER)
    with workspace(audit.keep) as folder, ExitStack() as stack:
        plan = replace(audit.plan(target), level=level)
        experiment = Experiment(plan, Runs(folder, progress), stack, shares_draws(axes))
        return _Answer(experiment, options).give()


@dataclass(slots=True)
class _Answer:
    """One answer in the making."""

    experiment: Experiment
    options: VaryOptions
    runs: list[Run] = field(default_factory=list, init=False)
    repeated: dict[str, Run] = field(default_factory=dict, init=False)
    """Second runs under the same conditions, by the names of the conditions."""
    findings: list[Finding] = field(default_factory=list, init=False)
    unexplained: list[str] = field(default_factory=list, init=False)
    notices: list[Notice] = field(default_factory=list, init=False)
    varied: list[Variation] = field(default_factory=list, init=False)

    def give(self) -> AuditResult:
        """Make the runs and answer."""
        for number, conditions in enumerate(combinations(self.options.axes)):
            run = self.experiment.run(conditions, first=not number)
            if isinstance(run, Failure):
                return self._failed(run)
            self.runs.append(run)
        first, *others = self.runs
        comparisons = {one.name: compare(first.reader, one.reader, (first.name, one.name)) for one in others}
        result = plain_result(first.plan.target.summary, self._readers(), list(comparisons.values()))
        if result.verdict is Verdict.UNVERIFIED:
            return result
        why = self._without_effect()
        if why is not None:
            return replace(result, verdict=Verdict.UNVERIFIED, reason=why, findings=())
        different = [one for one in others if not comparisons[one.name].equal]
        if different and self._looks_closer:
            unsteady = self._repeat([first, *different])
            if unsteady is not None:
                return unsteady
        for one in others:
            self._explain(first, one, comparisons[one.name])
        if not different and self.options.audit.diagnose:
            self.notices.extend(unused_variables(self.experiment, first, self.options.axes))
        answer = with_verdict(self._gathered(result), self.options.tolerance)
        return within_scope(answer, self.options.audit.scope)

    @property
    def _looks_closer(self) -> bool:
        """Whether differences are measured: where bits cannot agree at all, there is no answer without."""
        return self.options.audit.diagnose or weakest(self.options.axes) is Promise.PRECISION

    def _readers(self) -> dict[str, TraceReader]:
        return {run.name: run.reader for run in self.runs}

    def _without_effect(self) -> str | None:
        for run in self.runs:
            why = without_effect(run.reader, run.conditions)
            if why is not None:
                return why
        return nothing_varied(self._readers(), tuple(self.options.axes))

    def _repeat(self, runs: list[Run]) -> AuditResult | None:
        """Run again under the same conditions: what does not repeat itself differs along no axis."""
        for number, run in enumerate(runs):
            again = self.experiment.again(run, first=not number)
            if isinstance(again, Failure):
                return self._failed(again)
            readers = {run.name: run.reader, f"{run.name}, again,": again.reader}
            comparison = narrowed(compare(run.reader, again.reader), self.options.audit.scope)
            why = why_unverified(readers, [comparison])
            if why is not None:
                return self._unanswered(why)
            if not comparison.equal:
                return self._unsteady(run)
            self.repeated[run.name] = again
        return None

    def _unsteady(self, run: Run) -> AuditResult:
        """Where two runs under the same conditions differ, that is the fault to look for."""
        audit = replace(self.options.audit, keep=None)
        result = audit_target(run.plan.target, audit, self.experiment.runs.progress, axes=run.conditions)
        text = f"with {run.name}, two runs differ already: nothing can be said about the axes"
        if result.verdict is Verdict.REPRODUCIBLE:
            return self._unanswered(f"{text}; further runs under these conditions were equal")
        return replace(result, notices=(Notice("not-varied", text), *result.notices))

    def _explain(self, first: Run, second: Run, comparison: Comparison) -> None:
        axes = differing(first.conditions, second.conditions)
        promise = weakest(axes)
        variation = Variation(axes, first.name, second.name, promise, comparison.equal)
        if comparison.equal:
            self.varied.append(variation)
            return
        if not self._looks_closer:
            self.varied.append(variation)
            finding = finding_from(comparison, differs=1, pairs=1)
            words = f"with {second.name}, other bits than with {first.name}: {finding.message}"
            self.findings.append(replace(finding, message=words))
            return
        suspicious = promise is Promise.BITS or (promise is Promise.ROUNDING and is_other_data(comparison))
        if suspicious and self._is_fault(first, second, comparison, may_round=promise is not Promise.BITS):
            self.varied.append(variation)
            return
        repeated = Repeated(self.repeated[first.name].reader, self.repeated[second.name].reader)
        runs = self.experiment.runs.below(f"measured{len(self.varied)}")
        pair = ConditionPair(first.plan, second.plan, (first.name, second.name), runs)
        measured = measure(pair, comparison, repeated)
        also = explanations_of(first, second, axes, measured.variation.operators)
        explained = dict.fromkeys((*measured.variation.named, *also))
        self.varied.append(replace(measured.variation, named=tuple(explained)))
        self.findings.extend(measured.findings)
        self.notices.extend(measured.notices)

    def _is_fault(self, first: Run, second: Run, comparison: Comparison, *, may_round: bool) -> bool:
        """Look for the source of a difference; False if it turns out to be arithmetic."""
        runs = self.experiment.runs.below(f"searched{len(self.varied)}")
        fault = find_source(first, second, comparison, runs, may_round=may_round)
        if fault.is_arithmetic:
            return False
        self.findings.extend(fault.findings)
        self.unexplained.extend(fault.unexplained)
        self.notices.extend(fault.notices)
        return True

    def _gathered(self, result: AuditResult) -> AuditResult:
        told = TOLD_BY_THE_AXES | (OTHER_STATES if self.experiment.shares_draws else frozenset())
        notices = (one for one in result.notices if one.id not in told)
        return replace(
            result,
            findings=tuple(numbered(self.findings)),
            unexplained=tuple(dict.fromkeys(self.unexplained)),
            notices=tuple(dict.fromkeys((*self.notices, *notices))),
            varied=tuple(self.varied),
            extra_runs=self.experiment.runs.count - len(self.runs),
        )

    def _failed(self, failure: Failure) -> AuditResult:
        reason = why_failed(failure.plan, [failure.outcome])
        result = self._unanswered(f"with {failure.name}: {reason}")
        return replace(
            result, notices=failure_notices([failure.outcome]), varied=tuple(self._until_it_failed(failure))
        )

    def _until_it_failed(self, failure: Failure) -> Iterator[Variation]:
        """Measure the layers of a run that failed, up to the operator that has no implementation, say."""
        if not self.runs or failure.outcome.trace is None or not self._looks_closer:
            return
        first = self.runs[0]
        axes = differing(first.conditions, failure.conditions)
        if weakest(axes) is not Promise.PRECISION:
            return
        with TraceReader(failure.outcome.trace) as reader:
            step = steps_completed(reader)
        names = (first.name, failure.name)
        pair = ConditionPair(first.plan, failure.plan, names, self.experiment.runs.below("until-it-failed"))
        report = measure_layers(pair, step, beside_float64=False, breaks_off=True)
        if report.layers:
            yield Variation(axes, *names, Promise.PRECISION, equal=False, layers=report.layers)

    def _unanswered(self, why: str) -> AuditResult:
        """Answer that nothing is known, and why."""
        return AuditResult(
            verdict=Verdict.UNVERIFIED,
            reason=why,
            target=self.experiment.plan.target.summary,
            runs=tuple(summarize_run(name, reader) for name, reader in self._readers().items()),
            compared=None,
            findings=(),
        )
