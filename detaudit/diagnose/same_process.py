"""Compare recorded calls in one process: whether later calls find what earlier calls left behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from detaudit.compare.compare import compare
from detaudit.compare.result import plain_result
from detaudit.compare.scope import within_scope
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.plan import RunPlan
from detaudit.model.result import ALL, AuditResult, Finding, Notice, Verdict
from detaudit.model.trace import Site
from detaudit.record.session import MAIN_TRACE
from detaudit.run.gather import complete
from detaudit.run.launch import session_of
from detaudit.run.workspace import workspace
from detaudit.torch_private.supported import refuse_older
from detaudit.trace.reader import TraceReader

NOTHING = "no module was called, no backward pass ran and no optimizer took a step"


def audit_same_process(
    plan: RunPlan,
    function: Callable[[], object],
    in_fresh_processes: Callable[[], AuditResult],
    defined_at: Site | None,
    scope: str = ALL,
) -> AuditResult:
    """Call a function as often as the plan says, in this process, and say whether the calls were the same.

    `function` makes one call, and whatever must come before each. Where the calls differ,
    `in_fresh_processes` audits the same call with a process for each run: if it is reproducible there, what
    differs here was left behind by the call before. `defined_at` is shown where no line is known that shows
    the difference. What the function raises goes through.
    """
    target = plan.target.summary
    with workspace(None) as folder, ExitStack() as stack:
        readers: dict[str, TraceReader] = {}
        for number in range(1, plan.runs + 1):
            own = folder / f"call{number}"
            own.mkdir()
            trace = call_recorded(function, plan, own)
            if trace is None:
                reason = f"{plan.target.name} trains nothing: {NOTHING}"
                return AuditResult.unanswered(reason, target)
            readers[str(number)] = stack.enter_context(TraceReader(trace))
        comparisons = [compare(readers["1"], readers[run], ("1", run)) for run in list(readers)[1:]]
        result = within_scope(plain_result(target, readers, comparisons), scope)
    if result.verdict is not Verdict.NOT_REPRODUCIBLE:
        return result
    return _explained(result, in_fresh_processes(), defined_at)


def _explained(result: AuditResult, fresh: AuditResult, defined_at: Site | None) -> AuditResult:
    """Explain how calls in one process differ, by what fresh processes give."""
    if fresh.verdict is Verdict.NOT_REPRODUCIBLE:
        # What differs between processes too has its cause elsewhere, and that was looked for.
        notice = Notice("same-process", "the calls in one process differ as well")
        return replace(fresh, notices=(*fresh.notices, notice))
    if fresh.verdict is Verdict.UNVERIFIED:
        text = f"whether fresh processes differ as well is not known: {fresh.reason}"
        return replace(result, unexplained=(text,))
    return replace(result, findings=tuple(_left_behind(one, fresh, defined_at) for one in result.findings))


def _left_behind(finding: Finding, fresh: AuditResult, defined_at: Site | None) -> Finding:
    pairs = 0 if fresh.compared is None else fresh.compared.pairs
    evidence = Evidence(
        EvidenceKind.CONTROL,
        control="fresh-process",
        held="the state of the process (a fresh one for each call)",
        equal_pairs=pairs,
        pairs=pairs,
        without_equal_pairs=finding.rate["pairs"] - finding.rate["differs"],
        without_pairs=finding.rate["pairs"],
    )
    return replace(
        finding,
        id=Cause.PROCESS_STATE,
        cause=Cause.PROCESS_STATE,
        confirmed=True,
        evidence=(evidence,),
        site=finding.site or defined_at,
        message="a later call in the same process finds what an earlier one left behind (a trained model, a "
        "cache, a generator that goes on); in fresh processes the calls are the same",
        fix="inside the function, make everything that it changes (a model, an optimizer), or restore it",
    )


def call_recorded(function: Callable[[], object], plan: RunPlan, folder: Path) -> Path | None:
    """Call a function in this process and return the trace of what it did; None if it used no torch.

    Records what a run of the plan would, without a ledger; `folder`, which must exist, gets the trace.
    What the function raises goes through, except for the end of the steps that were asked for. Raises
    TorchError if torch is too old.
    """
    refuse_older()
    # Not before: of an older torch, these would ask for what it does not have.
    from detaudit.record.install import recording
    from detaudit.record.recorder import StopAfterSteps

    session = session_of(plan, folder)
    trace, started = folder / MAIN_TRACE, time.monotonic()
    # It is raised when as many steps as were asked for are there.
    with recording(session), contextlib.suppress(StopAfterSteps):
        function()
    return trace if complete(folder, trace, 0, time.monotonic() - started) else None
