"""An audit from end to end: run the target, compare, look closer, answer."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from detaudit import nested
from detaudit.compare.compare import compare
from detaudit.compare.data_audit import audit_data
from detaudit.compare.data_audit import notices as data_notices
from detaudit.compare.relations import unrelated_notices
from detaudit.compare.result import (
    compared,
    conditions_notices,
    nested_notices,
    not_varied,
    notices_from,
    summarize_run,
    why_unverified,
)
from detaudit.compare.scope import gravest, narrowed, seen_closely, within_scope
from detaudit.diagnose.between_ranks import rank_findings
from detaudit.diagnose.budget import Budget
from detaudit.diagnose.case import Case
from detaudit.diagnose.diagnosis import Diagnosis, diagnose, draw_notices, elaborate
from detaudit.diagnose.failure import failure_notices, why_failed
from detaudit.diagnose.fixing import fix, refuse_occupied
from detaudit.diagnose.observer import observer_effect
from detaudit.diagnose.options import AuditOptions
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.perturb import chosen, perturb
from detaudit.diagnose.reseeding import reseed_notices
from detaudit.diagnose.zoom import look_closer
from detaudit.errors import TargetError
from detaudit.model.cause import Cause
from detaudit.model.data import DataFault
from detaudit.model.plan import RunOutcome, RunPlan, Target, TargetKind, TargetRef
from detaudit.model.result import ALL, TRAINING, AuditResult, Comparison, FaultScope, Finding, Notice, Verdict
from detaudit.model.trace import Level
from detaudit.model.variation import Conditions
from detaudit.options import AUTO, BY_NAME, checked
from detaudit.run.progress import Progress, Silence
from detaudit.run.runs import Runs
from detaudit.run.workspace import workspace
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader


def audit(ref: TargetRef, options: AuditOptions, progress: Progress) -> AuditResult:
    """Run a target several times under the same conditions and say whether the runs are the same.

    Raises TargetError, RunError or OutputError where nothing could be run; a target that runs and fails
    gives the verdict `unverified`.
    """
    return audit_target(find_target(ref), options, progress)


def check(
    function: Callable[..., object],
    *args: object,
    runs: int = 2,
    seed: int = 0,
    level: str = "auto",
    steps: int | None = None,
    timeout: float | None = None,
    jobs: int | None = None,
    scope: str = ALL,
    **kwargs: object,
) -> AuditResult:
    """Call a training function in several fresh processes and say whether the runs are the same.

    The function must be importable: defined at the top level of a module or script. `args` and `kwargs`
    are passed to it and must be picklable. python, numpy and torch are seeded with `seed` before each
    call. `scope="training"` leaves evaluations out of account. Changes nothing in the calling process.
    Raises TargetError if the function cannot be found again in a fresh process, UsageError for another scope.

    A script without `if __name__ == "__main__":` is loaded in each run as far as this call. Anywhere else
    within a run of an audit, nothing is started, and the verdict is `unverified`.
    """
    if nested.is_within():
        caller = sys._getframe(1)  # noqa: SLF001 - its documented name
        return nested.answer(function, at=f"{caller.f_code.co_filename}:{caller.f_lineno}")
    options = AuditOptions(
        runs=runs,
        seed=seed,
        level=level,
        steps=steps,
        timeout=timeout,
        jobs=AUTO if jobs is None else str(jobs),
        scope=str(checked(BY_NAME["scope"], scope, "scope")),
    )
    target = _target_of(function)
    with workspace(None) as folder:
        call = folder / "call.pickle"
        try:
            call.write_bytes(pickle.dumps((args, kwargs)))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise TargetError(
                "arguments-not-picklable",
                f"the arguments cannot be sent to a fresh process: {error}",
                "make them inside the function",
            ) from error
        (folder / nested.GIVEN).write_text(json.dumps(nested.given()), encoding="utf-8")
        result = audit_target(target, options, Silence(), call=str(call))
    nested.remember((target.loaded_as, str(target.attribute)), result)
    return result


def audit_target(
    target: Target,
    options: AuditOptions,
    progress: Progress,
    call: str | None = None,
    axes: Conditions = (),
) -> AuditResult:
    """Audit a target that was found already, under the conditions of `axes`; see `audit`."""
    if options.fix is not None:
        refuse_occupied(target, options.fix)
    plan = replace(options.plan_runs(target), call=call, axes=axes)
    with workspace(options.keep) as folder, ExitStack() as stack:
        budget = Budget(options.budget)
        case = Case(plan, Runs(folder, progress), options.scope, budget=budget, jobs=options.jobs)
        outcomes = case.run()
        readers = {
            outcome.id: stack.enter_context(TraceReader(outcome.trace))
            for outcome in outcomes
            if outcome.trace is not None
        }
        if len(readers) < plan.runs:
            return _unverified(plan, outcomes, readers, [])
        if readers["1"].info.ranks:
            # Ranks meet at a port, which is the same in each run as a rule.
            case.run_one_by_one()
        comparisons = [compare(readers["1"], readers[run], ("1", run)) for run in list(readers)[1:]]
        failed = not all(outcome.finished for outcome in outcomes)
        if failed or why_unverified(readers, comparisons) is not None:
            return _unverified(plan, outcomes, readers, comparisons)
        if all(narrowed(comparison, case.asked).equal for comparison in comparisons):
            notices = _look_again(case, readers["1"])
            perturbed = perturb(case, readers["1"], chosen(options.perturb), len(readers))
            reseeds = reseed_notices(case, readers["1"], named=options.diagnose)
            told = [*reseeds, *perturbed.notices, *notices, *unrelated_notices(readers["1"].info.ranks)]
            between = rank_findings(case, readers["1"], closely=options.level == AUTO)
            findings = (*between, *perturbed.findings, *_differing(comparisons))
            return perturbed.put_into(_answer(case, readers, comparisons, Diagnosis(findings), told))
        diagnosis, notices = _explain(case, comparisons, readers, options)
        if options.perturb is not None:
            notices.append(Notice("not-perturbed", "not perturbed, since plain runs differ already"))
        return _answer(case, readers, comparisons, diagnosis, notices)


def _explain(
    case: Case, comparisons: list[Comparison], readers: Mapping[str, TraceReader], options: AuditOptions
) -> tuple[Diagnosis, list[Notice]]:
    """Find out why runs differ; return the findings, and notices of what was seen during the search."""
    different = [comparison for comparison in comparisons if not comparison.equal]
    earliest = min(gravest(different), key=_first_step)
    parting = Parting(earliest, len(different), len(comparisons))
    if options.level != AUTO:
        return Diagnosis((parting.finding(),)), []
    closer = look_closer(case, parting, readers["1"])
    scope = seen_closely(earliest, closer.comparison)
    closer = replace(closer, parting=replace(closer.parting, scope=scope))
    if not options.diagnose or (scope is FaultScope.EVALUATION and case.asked == TRAINING):
        return Diagnosis((closer.parting.finding(),)), list(closer.notices)
    diagnosis = elaborate(case, diagnose(case, closer, earliest, readers), options.repro)
    named = all(one.cause for one in diagnosis.findings)
    notices = [note for note in closer.notices if not (named and note.id == "operator-not-named")]
    notices.extend(draw_notices(closer.ledgers))
    if options.fix is None:
        return diagnosis, notices
    diagnosis, told = fix(case, diagnosis, options.fix)
    return diagnosis, [*told, *notices]


def _differing(comparisons: list[Comparison]) -> tuple[Finding, ...]:
    """Report the difference between runs in which all that was asked about is equal, if there is one."""
    different = [comparison for comparison in comparisons if not comparison.equal]
    if not different:
        return ()
    earliest = min(different, key=_first_step)
    return (Parting(earliest, len(different), len(comparisons)).finding(),)


def _look_again(case: Case, first: TraceReader) -> list[Notice]:
    """Check, at level `op`, whether recording changed bits: compare a run with a run that is only hooked."""
    if case.plan.level is not Level.OP:
        return []
    case.progress.note(
        "running once more at level `layer`, to see whether looking at operators changes the bits"
    )
    (outcome,) = case.run_again("hooked", runs=1, level=Level.LAYER)
    if outcome.trace is None:
        return []
    with TraceReader(outcome.trace) as hooked:
        return observer_effect(hooked, first)


def _answer(
    case: Case,
    readers: Mapping[str, TraceReader],
    comparisons: list[Comparison],
    diagnosis: Diagnosis,
    notices: list[Notice],
) -> AuditResult:
    plan, found = case.plan, bool(diagnosis.findings)
    runs = tuple(summarize_run(name, reader) for name, reader in readers.items())
    shown = next((one for one in comparisons if not one.equal), comparisons[0])
    result = AuditResult(
        verdict=Verdict.NOT_REPRODUCIBLE if found else Verdict.REPRODUCIBLE,
        reason=None,
        target=plan.target.summary,
        runs=runs,
        compared=compared(comparisons, not_varied([run.conditions for run in runs])),
        findings=diagnosis.findings,
        unexplained=diagnosis.unexplained,
        extra_runs=case.extra_runs,
        notices=(
            *notices,
            *conditions_notices(runs),
            *notices_from(shown),
            *nested_notices(readers.values()),
            *_unfound(data_notices(audit_data(readers["1"])), diagnosis.findings),
            *_seed_notice(plan),
        ),
    )
    return within_scope(result, case.asked)


def _unfound(notices: tuple[Notice, ...], findings: tuple[Finding, ...]) -> Iterator[Notice]:
    """Leave out what is a finding already: the order of the epochs, where the sampler is at fault."""
    repeats = any(finding.cause is Cause.EPOCH_NOT_SET for finding in findings)
    return (one for one in notices if not (repeats and one.id == DataFault.EPOCHS_SAME_ORDER))


def _unverified(
    plan: RunPlan,
    outcomes: list[RunOutcome],
    readers: Mapping[str, TraceReader],
    comparisons: list[Comparison],
) -> AuditResult:
    runs = tuple(summarize_run(name, reader) for name, reader in readers.items())
    return AuditResult(
        verdict=Verdict.UNVERIFIED,
        reason=why_failed(plan, outcomes) or why_unverified(readers, comparisons),
        target=plan.target.summary,
        runs=runs,
        compared=compared(comparisons, not_varied([run.conditions for run in runs])) if comparisons else None,
        findings=(),
        notices=failure_notices(outcomes),
    )


def _seed_notice(plan: RunPlan) -> tuple[Notice, ...]:
    if plan.target.kind not in {TargetKind.SCRIPT, TargetKind.MODULE} or not plan.seed:
        return ()
    text = "--seed has no effect on a script, which seeds itself; it is for model files and callables"
    return (Notice("seed-unused", text),)


def _first_step(comparison: Comparison) -> int:
    return comparison.first.step if comparison.first is not None else sys.maxsize


def _target_of(function: Callable[..., object]) -> Target:
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", None)
    if not name or "<" in name or module is None:
        raise TargetError(
            "callable-not-importable",
            f"{function!r} cannot be found again in a fresh process",
            "define it at the top level of a module",
        )
    if module != "__main__":
        return Target(TargetKind.CALLABLE, f"{module}:{name}", import_name=module, attribute=name)
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:
        raise TargetError(
            "callable-not-importable",
            f"{name} was defined interactively",
            "define it in a file and import it",
        )
    return Target(TargetKind.CALLABLE, f"{file}:{name}", path=Path(file), attribute=name)


__all__ = ["audit", "audit_target", "check"]
