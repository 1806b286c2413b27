"""Put a target into a lock: run it twice, since a target that does not repeat itself cannot be held."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from detaudit.compare.compare import compare
from detaudit.compare.result import finding_from, shortcomings
from detaudit.compare.scope import narrowed
from detaudit.diagnose.case import Case
from detaudit.diagnose.failure import failure_notices, why_failed
from detaudit.diagnose.options import AuditOptions
from detaudit.errors import UsageError
from detaudit.model.lock import VARIES, Block, Entry, Lock, LockedTarget
from detaudit.model.plan import RunOutcome, RunPlan, Target, TargetRef
from detaudit.model.trace import Level
from detaudit.reference.blocks import blocks_for, locked_target, with_block
from detaudit.reference.entries import asked_about, entries_of
from detaudit.reference.environments import held_for, noted_of
from detaudit.reference.hold import Held, hold
from detaudit.run.progress import Progress
from detaudit.run.runs import Runs
from detaudit.run.workspace import workspace
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader

RUNS = 2
"""The number of runs of a target; it is locked only if the runs are equal."""

STEPS = 3
"""The number of steps that are locked at first: later steps depend on everything that a step leaves
behind."""


class LockState(StrEnum):
    """The result for a target that was to be locked."""

    NEW = "new"
    ADDED = "added"
    """The lock had the target, but not in this environment."""
    UNCHANGED = "unchanged"
    UPDATED = "updated"
    DIFFERS = "differs"
    """The two runs of the target differ: nothing was locked."""
    FAILED = "failed"
    """The target did not run to its end without an error: nothing was locked."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One target, and the result for it."""

    target: LockedTarget
    state: LockState
    block: Block | None = None
    """The block of the lock for the target now; None if nothing was locked."""
    before: Held | None = None
    """The comparison with the old block, where the block was updated."""
    reason: str = ""
    """The reason why nothing was locked."""
    place: str = ""
    """The place where the two runs of the target part."""


def make_lock(
    ref: TargetRef, options: AuditOptions, lock: Lock, path: Path, progress: Progress
) -> tuple[Lock, Locked]:
    """Run a target twice and put it into a lock, which belongs at `path`; nothing is written.

    Returns the lock as it was where the runs fail or differ. Raises UsageError, TargetError, RunError or
    OutputError where nothing could be run.
    """
    target = find_target(ref)
    return lock_target(target, locked_target(target, options.seed, path), lock, options, progress)


def lock_target(
    target: Target, locked: LockedTarget, lock: Lock, options: AuditOptions, progress: Progress
) -> tuple[Lock, Locked]:
    """Lock a target that was found already, under the name `locked`."""
    plan = _plan(target, options, blocks_for(lock, locked))
    with workspace(options.keep) as folder, ExitStack() as stack:
        outcomes = Case(plan, Runs(folder, progress)).run()
        failed = why_failed(plan, outcomes)
        if failed is not None:
            told = "\n".join(notice.message for notice in failure_notices(outcomes))
            return lock, Locked(locked, LockState.FAILED, reason=failed, place=told)
        readers = _readers(outcomes, stack)
        return _locked(lock, locked, readers, plan.steps, options.scope)


def _plan(target: Target, options: AuditOptions, known: Sequence[Block]) -> RunPlan:
    """Two runs, with the steps and the level that the lock has of the target unless others are asked for."""
    if options.level == "op":
        hint = "leave out --level, or give --level step"
        raise UsageError("lock-level", "a lock holds layers, not operators", hint)
    level = known[0].level if known else Level.LAYER
    steps = max((block.steps for block in known), default=STEPS)
    return replace(
        options.plan(target, RUNS, jobs=options.first_jobs),
        level=options.level_or(level),
        steps=steps if options.steps is None else options.steps,
        sketches=True,
    )


def _readers(outcomes: Sequence[RunOutcome], stack: ExitStack) -> list[TraceReader]:
    traces = [outcome.trace for outcome in outcomes if outcome.trace is not None]
    return [stack.enter_context(TraceReader(trace)) for trace in traces]


def _locked(
    lock: Lock, target: LockedTarget, readers: Sequence[TraceReader], steps: int | None, scope: str
) -> tuple[Lock, Locked]:
    """Put two runs of a target that ended well into the lock, if they are the same."""
    reasons = [why for at, reader in enumerate(readers, 1) for why in shortcomings(str(at), reader)]
    first, second = readers
    entries = asked_about(steady(entries_of(first, steps), entries_of(second, steps)), scope)
    if not reasons and not entries:
        reasons.append("a lock holds the training in the main thread, and nothing trains there")
    if reasons:
        return lock, Locked(target, LockState.FAILED, reason="; ".join(reasons))
    comparison = narrowed(compare(first, second), scope)
    if not comparison.equal:
        finding = finding_from(comparison, differs=1, pairs=1)
        site = "" if finding.site is None else f"{finding.site.file}:{finding.site.line}"
        return lock, Locked(target, LockState.DIFFERS, reason=finding.message, place=site)
    return with_run(lock, target, first, entries)


def with_run(
    lock: Lock, target: LockedTarget, reader: TraceReader, entries: Sequence[Entry]
) -> tuple[Lock, Locked]:
    """Put what one run left into a lock, in the place of what the lock had for its environment."""
    environment = held_for(reader.info.environment)
    others = blocks_for(lock, target)
    old = next((one for one in others if one.environment == environment), None)
    entries = entries if old is None else _still_varying(entries, old.entries)
    steps = len({entry.step for entry in entries if entry.step >= 0})
    noted = noted_of(reader.info.environment)
    block = Block(target, environment, noted, reader.info.level, steps, tuple(entries))
    if old is None:
        state = LockState.ADDED if others else LockState.NEW
        return with_block(lock, block), Locked(target, state, block)
    if _bits(old) == _bits(block):
        # As it was, with what was noted then: a lock changes only where something did.
        return lock, Locked(target, LockState.UNCHANGED, old)
    before = hold(old.entries, entries, None)
    return with_block(lock, block), Locked(target, LockState.UPDATED, block, before)


def _bits(block: Block) -> tuple[Level, int, list[tuple[object, bytes]]]:
    return block.level, block.steps, [(entry.identity, entry.digest) for entry in block.entries]


def _still_varying(entries: Sequence[Entry], old: Sequence[Entry]) -> list[Entry]:
    """Give the entries; those that varied in the old lock still vary, even if two runs agree on them."""
    varying = {entry.identity for entry in old if entry.digest == VARIES}
    return [
        replace(entry, digest=VARIES, sketch=None) if entry.identity in varying else entry
        for entry in entries
    ]


def steady(first: Sequence[Entry], second: Sequence[Entry]) -> list[Entry]:
    """Give the entries of two runs that are equal where it matters; mark entries that differ as varying.

    Such an entry is the time of day in a batch, say, if nothing is computed from it.
    """
    there = {entry.identity: entry for entry in second}
    known = {entry.identity for entry in first}
    kept = [
        entry
        if (other := there.get(entry.identity)) is not None and other.digest == entry.digest
        else replace(entry, digest=VARIES, sketch=None)
        for entry in first
    ]
    alone = (entry for entry in second if entry.identity not in known)
    return [*kept, *(replace(entry, digest=VARIES, sketch=None) for entry in alone)]
