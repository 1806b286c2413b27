"""Answer after holding a run against a lock: the verdict, the finding and the notices."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detaudit.compare.enough_runs import bound
from detaudit.compare.result import (
    conditions_notices,
    not_varied,
    summarize_run,
)
from detaudit.diagnose.case import Case
from detaudit.diagnose.failure import failure_notices
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.lock import Block
from detaudit.model.plan import RunOutcome, TargetRef
from detaudit.model.result import (
    AuditResult,
    Compared,
    Comparison,
    Finding,
    Notice,
    ReferenceComparison,
    ReferenceState,
    Verdict,
)
from detaudit.model.trace import Phase
from detaudit.reference.blocks import Standing, nearest
from detaudit.reference.by_itself import audited_by_itself
from detaudit.reference.changes import changed_lines, is_shallow, last_commit
from detaudit.reference.entries import site_of
from detaudit.reference.environments import differing, held_for, in_words, noted_of
from detaudit.reference.git import repository_of
from detaudit.reference.hold import Pair
from detaudit.reference.lock_file import NAME
from detaudit.reference.options import LockOptions
from detaudit.reference.wording import told
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader

ONLY_THE_UPDATE = (
    "its gradients are the same within the tolerance: the learning rate or the optimizer changed, or Adam "
    "makes full steps from a gradient that is only rounding (the gradient of a bias in front of a batch "
    "normalization, say)"
)


@dataclass(frozen=True)
class Answer:
    """The words for one audit against a lock."""

    case: Case
    options: LockOptions
    command: str
    """The command that writes the lock for this target anew."""
    blocks: Sequence[Block]

    def failed(
        self, reason: str, outcomes: Sequence[RunOutcome], readers: Sequence[TraceReader]
    ) -> AuditResult:
        """Answer that there is no run to hold."""
        result = self._result(Verdict.UNVERIFIED, readers, None)
        return replace(result, reason=reason, notices=failure_notices(list(outcomes)))

    def as_held(self, reference: ReferenceComparison, readers: Sequence[TraceReader]) -> AuditResult:
        """Answer that nothing differs, or that the lock is for another environment."""
        verdict, reason = Verdict.REPRODUCIBLE, None
        if reference.state is ReferenceState.NOT_COMPARABLE:
            verdict, reason = Verdict.UNVERIFIED, self._elsewhere(reference)
        result = self._result(verdict, readers, reference)
        notices = (*self._allowed(reference), *result.notices)
        return replace(result, reason=reason, notices=notices)

    def changed(self, standing: Standing, readers: Sequence[TraceReader], run: TraceReader) -> AuditResult:
        """Answer that the target repeats itself but differs from the lock; `run` is a run that differs."""
        commit = last_commit(self.options.path)
        changed = (
            ()
            if commit is None
            else changed_lines(repository_of(self.options.path.absolute().parent), commit)
        )
        reference = replace(standing.reference, commit=commit, changed=changed)
        finding = finding_against(standing, run, self.command, len(readers))
        result = self._result(Verdict.NOT_REPRODUCIBLE, readers, reference)
        notices = (*self._hints(reference, standing, run), *result.notices)
        return replace(result, findings=(finding,), notices=notices)

    def irreproducible(self, reference: ReferenceComparison, unequal: Comparison) -> AuditResult:
        """Answer for a target that does not repeat itself, with an audit of the target itself."""
        self.case.progress.note("two runs of the target differ, so the target is audited by itself")
        plan = self.case.plan
        return audited_by_itself(
            plan.target,
            replace(self.options.audit, steps=plan.steps),
            self.case.progress,
            reference=replace(reference, state=ReferenceState.NOT_COMPARABLE, difference=None, first=None),
            unequal=unequal,
            told=f"not held against {self.options.path}: two runs of the target differ from each other",
        )

    def _result(
        self, verdict: Verdict, readers: Sequence[TraceReader], reference: ReferenceComparison | None
    ) -> AuditResult:
        target = self.case.plan.target
        runs = tuple(summarize_run(str(number), reader) for number, reader in enumerate(readers, 1))
        extent = None
        if reference is not None and reference.state is not ReferenceState.NOT_COMPARABLE:
            # The run of the lock is the other half of each pair.
            conditions = not_varied([run.conditions for run in runs])
            steps = min(run.steps for run in runs)
            level, pairs = self.case.plan.level.value, len(runs)
            extent = Compared(pairs, steps, reference.compared, level, conditions, bound(pairs))
        return AuditResult(
            verdict=verdict,
            reason=None,
            target=target.summary,
            runs=runs,
            compared=extent,
            findings=(),
            extra_runs=self.case.extra_runs,
            references=() if reference is None else (reference,),
            notices=conditions_notices(runs),
            scope=self.options.audit.scope,
        )

    def _elsewhere(self, reference: ReferenceComparison) -> str:
        """Explain why the lock does not apply in this environment, and what to do about it."""
        others = len(self.blocks) - 1
        nearest_one = (
            "another environment" if not others else f"{others + 1} other environments; the nearest has"
        )
        equal = ""
        if not reference.differing and not reference.only_there and not reference.only_here:
            equal = f" (all {reference.compared} things have the same bits here, as it happens)"
        return (
            f"{self.options.path} holds for {nearest_one}: {in_words(reference.environment)}{equal}. "
            f"`{self.command}` here adds this environment beside it; --tolerance 1e-5 compares the numbers"
        )

    def _allowed(self, reference: ReferenceComparison) -> Iterator[Notice]:
        where = f" ({in_words(reference.environment)})" if reference.environment else ""
        if reference.state is ReferenceState.WITHIN_TOLERANCE:
            text = (
                f"the numbers are the same up to {reference.relative or 0.0:.1g} (estimated from "
                f"sketches), but not the bits: {reference.differing} of {reference.compared} things have "
                f"other bits than the lock{where}"
            )
            yield Notice("within-tolerance", text)
        elif reference.state is ReferenceState.EQUAL and where:
            yield Notice("other-environment", f"the same bits as in another environment{where}")
        if self.options.audit.perturb is not None:
            yield Notice("not-perturbed", "not perturbed: a lock holds for runs under plain conditions only")

    def _hints(
        self, reference: ReferenceComparison, standing: Standing, run: TraceReader
    ) -> Iterator[Notice]:
        """List other things that may have made the difference."""
        if reference.environment:
            text = f"the lock is for another environment: {in_words(reference.environment)}"
            yield Notice("other-environment", text)
        if reference.tolerance is not None and _is_update(standing):
            yield Notice("only-the-update-differs", ONLY_THE_UPDATE)
        environment = run.info.environment
        block = nearest(self.blocks, held_for(environment))
        noted = differing(block.noted, noted_of(environment))
        if noted:
            yield Notice("noted-differs", f"the lock was written with other settings: {in_words(noted)}")
        if reference.commit is not None and is_shallow(self.options.path):
            text = "which lines changed since the lock is not known: this clone is shallow"
            yield Notice("clone-shallow", f"{text} (fetch-depth: 0 in a workflow brings the rest)")
        elif reference.commit is not None and not reference.changed and not reference.environment:
            text = "no line has changed since the lock was committed: data that git does not hold may have"
            yield Notice("nothing-changed", text)


def _is_update(standing: Standing) -> bool:
    """Say whether the first difference is in the new weights of a step, after all of its gradients."""
    entry = None if standing.first is None else standing.first.entry
    return entry is not None and entry.phase is Phase.OPTIMIZER and entry.what == "weights"


def finding_against(standing: Standing, run: TraceReader, command: str, runs: int) -> Finding:
    """Make a finding of the difference from a lock: `runs` runs show it, `command` writes the lock anew."""
    pair, reference = standing.first, standing.reference
    if pair is None or reference.first is None:
        raise ValueError("the run does not differ from the lock")
    return Finding(
        id="differs-from-lock",
        cause=None,
        confirmed=True,
        evidence=(
            Evidence(EvidenceKind.REPETITION, equal_pairs=runs, pairs=runs, details={"repeated": "run"}),
        ),
        origin=reference.first,
        site=None if pair.here is None else site_of(run, pair.here),
        other_sites=(),
        symbol=None,
        message=_ends_early(pair, reference.name, steps_completed(run)) or told(pair, reference.name),
        fix=f"if the change is intended: `{command}`, and commit the lock",
        rate={"differs": runs, "pairs": runs},
        affects=None,
    )


def _ends_early(pair: Pair, name: str, steps: int) -> str | None:
    """Say that a run ends where the lock has more; None if it does not."""
    if pair.here is not None or pair.entry.step < steps:
        return None
    return f"the run ends after {'1 step' if steps == 1 else f'{steps} steps'}, {name} has more of them"


def relock(ref: TargetRef, seed: int, path: Path) -> str:
    """Give the command that writes the lock for a target anew."""
    words = ["detaudit", "lock", *(["-m"] if ref.module else []), ref.text]
    words += [] if str(path) == NAME else ["-o", str(path)]
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, *(["--", *ref.args] if ref.args else [])])
