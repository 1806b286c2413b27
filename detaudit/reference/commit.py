"""Hold the work tree against another commit: equal numbers, or where and by how much they differ."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from detaudit.compare.compare import compare
from detaudit.compare.result import why_unverified
from detaudit.compare.scope import narrowed, within_scope
from detaudit.compare.wording import message
from detaudit.model.plan import TargetRef
from detaudit.model.result import AuditResult, Comparison
from detaudit.reference.by_itself import audited_by_itself
from detaudit.reference.change import Change
from detaudit.reference.git import SHORT, repository_of, resolve
from detaudit.reference.options import CommitOptions
from detaudit.reference.side import Side
from detaudit.reference.transplant import at_commit, code_of_ours, plan_of
from detaudit.reference.worktree import checked_out, links_of
from detaudit.run.progress import Progress
from detaudit.run.runs import Runs
from detaudit.run.workspace import workspace
from detaudit.targets.find import find_target

HERE = "work tree"
"""The name of the user's side."""


def audit_against_commit(ref: TargetRef, options: CommitOptions, progress: Progress) -> AuditResult:
    """Run the target as it is in the work tree and as it was at another commit, and compare.

    Where the runs differ, both are run again, so that what differs by itself is not blamed on the change.
    Raises GitError, UsageError, TargetError, RunError or OutputError where nothing could be run.
    """
    folder, reference, audit = Path.cwd(), options.reference, options.audit
    repository = repository_of(folder)
    commit = resolve(repository, reference)
    links = links_of(repository, folder, options.link)
    target = find_target(ref)
    with ExitStack() as stack:
        kept = stack.enter_context(workspace(audit.keep))
        runs = Runs(kept, progress)
        place = stack.enter_context(workspace(None))
        progress.note(f"checking out {reference} ({commit[:SHORT]}) in a folder of its own")
        checkout = stack.enter_context(checked_out(repository, commit, place, links))
        there = Side(reference, at_commit(ref, audit, checkout, folder), runs.below("there"))
        here = Side(HERE, plan_of(target, audit), runs.below("here"))
        stack.callback(there.close)
        stack.callback(here.close)
        return within_scope(_result(Change(options, checkout, there, here)), audit.scope)


def _result(change: Change) -> AuditResult:
    """Run both sides as often as it takes, and answer."""
    there, here = change.there, change.here
    reason = here.run() or there.run()
    if reason is not None:
        return change.unverified(reason)
    comparison = compare(there.first, here.first, (there.name, here.name))
    comparison = narrowed(comparison, change.options.audit.scope)
    reason = why_unverified({there.name: there.first, here.name: here.first}, [comparison])
    reason = reason or _mixed_up(change)
    if reason is not None:
        return change.unverified(reason, comparison)
    if comparison.equal:
        return change.answer(comparison)
    reason = here.run() or there.run()
    if reason is not None:
        return change.unverified(reason, comparison)
    return _by_itself(change, comparison) or change.answer(comparison)


def _mixed_up(change: Change) -> str | None:
    """Explain why the run of the commit ran code that is not the commit's; None if nothing suggests that."""
    file = code_of_ours(change.there.first, change.checkout)
    if file is None:
        return None
    return (
        f"the run of {change.there.name} used {file} of the work tree: it was found by its full path, or "
        "by an installation in place that does not fit the folders of that commit"
    )


def _by_itself(change: Change, comparison: Comparison) -> AuditResult | None:
    """Answer for a comparison in which a side does not repeat its own numbers; None if both sides do."""
    ours = narrowed(change.here.repeated(), change.options.audit.scope)
    if not ours.equal:
        return _audited(change, comparison, ours)
    theirs = narrowed(change.there.repeated(), change.options.audit.scope)
    if theirs.first is None:
        return None
    name = change.there.name
    told = message(theirs.first, theirs)
    reason = f"two runs of {name} differ, so nothing can be compared with it: {told}"
    return change.unverified(reason, comparison)


def _audited(change: Change, comparison: Comparison, ours: Comparison) -> AuditResult:
    """Answer for a work tree that is not reproducible, with an audit of the work tree."""
    here = change.here
    here.runs.progress.note("two runs of the work tree differ, so it is audited by itself")
    return audited_by_itself(
        here.plan.target,
        change.options.audit,
        here.runs.progress,
        reference=change.not_comparable(comparison),
        unequal=ours,
        told=f"not compared with {change.there.name}: two runs of the work tree differ already",
    )
