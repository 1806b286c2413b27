"""Hold a run against a lock: equal, near enough, different from it, or not comparable."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from detaudit.compare.compare import compare
from detaudit.compare.result import shortcomings
from detaudit.compare.scope import narrowed
from detaudit.diagnose.case import Case
from detaudit.diagnose.failure import why_failed
from detaudit.errors import LockError
from detaudit.model.lock import Block, Lock, LockedTarget
from detaudit.model.plan import RunOutcome, RunPlan, Target, TargetRef
from detaudit.model.result import AuditResult, ReferenceState
from detaudit.model.trace import Level
from detaudit.reference.blocks import Standing, blocks_for, locked_target, stand
from detaudit.reference.entries import asked_about, entries_of
from detaudit.reference.environments import held_for
from detaudit.reference.lock_answer import Answer, relock
from detaudit.reference.lock_file import read_lock
from detaudit.reference.options import LockOptions
from detaudit.reference.wording import shown
from detaudit.run.progress import Progress
from detaudit.run.runs import Runs
from detaudit.run.workspace import workspace
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader


def audit_against_lock(ref: TargetRef, options: LockOptions, progress: Progress) -> AuditResult:
    """Run the target for as many steps as the lock has of it, and hold it against them.

    The lock's run counts as one of the runs that are asked for. Where a run differs from the lock, it is run
    once more, so that a program that does not repeat itself is not taken for one that was changed. Raises
    LockError, TargetError, RunError or OutputError where nothing could be held.
    """
    path, seed = options.path, options.audit.seed
    lock, target = read_lock(path), find_target(ref)
    locked, command = locked_target(target, seed, path), relock(ref, seed, path)
    return audit_target_against_lock(target, locked, lock, options, command=command, progress=progress)


def audit_target_against_lock(
    target: Target,
    locked: LockedTarget,
    lock: Lock,
    options: LockOptions,
    *,
    command: str,
    progress: Progress,
) -> AuditResult:
    """Hold a target that was found already against what a lock has under the name `locked`.

    `command` writes the lock anew; see `audit_against_lock`.
    """
    blocks = _blocks(lock, locked, options, command)
    plan = _plan(target, options, blocks)
    with workspace(options.audit.keep) as folder, ExitStack() as stack:
        case = Case(plan, Runs(folder, progress))
        reference = Lock(lock.digest, tuple(_of_scope(block, options.audit.scope) for block in blocks))
        answer = Answer(case, options, command, blocks)
        return _Audit(case, answer, reference, locked, stack).result()


def _blocks(lock: Lock, target: LockedTarget, options: LockOptions, command: str) -> tuple[Block, ...]:
    """Find the blocks of the lock for a target at the level asked for. Raises LockError if there are none."""
    found, path = blocks_for(lock, target), options.path
    if not found:
        alike = dict.fromkeys(block.target for block in lock.blocks if block.target.name == target.name)
        others = alike or dict.fromkeys(block.target for block in lock.blocks)
        has = "; ".join(shown(one) for one in others) or "nothing"
        message = f"{path} has nothing for {shown(target)}; it has {has}"
        raise LockError("lock-without-target", message, f"`{command}` adds it")
    levels = {block.level for block in found}
    wanted = options.audit.level_or(max(levels, key=list(Level).index))
    if wanted not in levels:
        has = " and ".join(level.value for level in levels)
        message = f"{path} has {shown(target)} at level {has}, not at level {wanted.value}"
        raise LockError("lock-level", message, "leave out --level")
    return tuple(block for block in found if block.level is wanted)


def _of_scope(block: Block, scope: str) -> Block:
    return replace(block, entries=tuple(asked_about(block.entries, scope)))


def _plan(target: Target, options: LockOptions, blocks: Sequence[Block]) -> RunPlan:
    audit, steps = options.audit, max(block.steps for block in blocks)
    return replace(
        audit.plan(target, max(1, audit.runs - 1), jobs=audit.first_jobs),
        level=blocks[0].level,
        steps=steps if audit.steps is None else min(steps, audit.steps),
        sketches=True,
    )


@dataclass
class _Audit:
    """One audit against a lock, under way."""

    case: Case
    answer: Answer
    lock: Lock
    target: LockedTarget
    stack: ExitStack

    def result(self) -> AuditResult:
        """Run, hold, and answer."""
        outcomes = self.case.run()
        reason = why_failed(self.case.plan, outcomes)
        readers = self._readers(outcomes)
        reason = reason or _useless(readers)
        if reason is not None:
            return self.answer.failed(reason, outcomes, readers)
        for reader in readers:
            standing = self._standing(reader)
            if standing.reference.state is ReferenceState.DIFFERS:
                return self._differs(standing, reader, readers)
        return self.answer.as_held(standing.reference, readers)

    def _readers(self, outcomes: Sequence[RunOutcome]) -> list[TraceReader]:
        traces = [outcome.trace for outcome in outcomes if outcome.trace is not None]
        return [self.stack.enter_context(TraceReader(trace)) for trace in traces]

    def _standing(self, reader: TraceReader) -> Standing:
        steps = self.case.plan.steps
        return stand(
            self.lock,
            self.target,
            held_for(reader.info.environment),
            asked_about(entries_of(reader, steps), self.answer.options.audit.scope),
            name=str(self.answer.options.path),
            steps=steps,
            tolerance=self.answer.options.tolerance,
        )

    def _differs(self, standing: Standing, run: TraceReader, readers: list[TraceReader]) -> AuditResult:
        """Run once more: the answer is another one if the target does not repeat itself."""
        self.case.progress.note(
            "the run differs from the lock; running once more, to see whether the target repeats itself"
        )
        again = self.case.run_again("again", runs=1, level=self.case.plan.level)
        reason = why_failed(self.case.plan, again)
        if reason is not None:
            return self.answer.failed(reason, again, readers)
        first, *others = [*readers, *self._readers(again)]
        pairs = (compare(first, other, ("1", str(number))) for number, other in enumerate(others, 2))
        scope = self.answer.options.audit.scope
        unequal = next((pair for pair in pairs if not narrowed(pair, scope).equal), None)
        if unequal is not None:
            return self.answer.irreproducible(standing.reference, unequal)
        return self.answer.changed(standing, readers, run)


def _useless(readers: Sequence[TraceReader]) -> str | None:
    """Explain why runs that ended well give nothing to hold; None if they do."""
    reasons = [why for at, reader in enumerate(readers, 1) for why in shortcomings(str(at), reader)]
    if not reasons and not all(entries_of(reader, 1) for reader in readers):
        reasons.append("a lock holds the training in the main thread, and nothing trains there")
    return "; ".join(reasons) or None
