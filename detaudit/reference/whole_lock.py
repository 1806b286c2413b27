"""Hold all targets of a lock against it, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from detaudit.errors import DetauditError, LockError
from detaudit.model.lock import LockedTarget
from detaudit.model.plan import TargetRef
from detaudit.model.result import AuditResult, TargetSummary
from detaudit.reference.lock import audit_against_lock
from detaudit.reference.lock_file import read_lock
from detaudit.reference.options import LockOptions
from detaudit.run.progress import Progress

MODULE = "-m "
"""The beginning of the name of a target that is run as `python -m` does."""


def audit_whole_lock(options: LockOptions, progress: Progress) -> list[AuditResult]:
    """Hold every target that a lock has against it, but not tests, which pytest runs.

    One that cannot be run is `unverified`, and the others are held all the same. Raises LockError for a lock
    that cannot be read, or that has nothing to run.
    """
    targets = [
        target
        for target in dict.fromkeys(block.target for block in read_lock(options.path).blocks)
        if not target.is_test
    ]
    if not targets:
        hint = "name one, or run pytest, which holds what tests have locked"
        raise LockError(
            "lock-without-target", f"{options.path} has no target that could be run by itself", hint
        )
    return list(_audits(targets, options, progress))


def _audits(targets: list[LockedTarget], options: LockOptions, progress: Progress) -> Iterator[AuditResult]:
    for target in targets:
        progress.note(f"holding {target.name} against {options.path}")
        audit = options.audit if target.seed is None else replace(options.audit, seed=target.seed)
        seeded = replace(options, audit=audit)
        try:
            yield audit_against_lock(ref_of(target, options.path), seeded, progress)
        except DetauditError as error:
            reason = f"{error.message} [{error.slug}]; {error.hint}"
            summary = TargetSummary("script", target.name, target.args)
            yield AuditResult.unanswered(reason, summary)


def ref_of(target: LockedTarget, path: Path) -> TargetRef:
    """Give the words for a target of the lock at `path` that a user would type in the current folder."""
    if target.name.startswith(MODULE):
        return TargetRef(target.name.removeprefix(MODULE), module=True, args=target.args)
    file, colon, attribute = target.name.partition(":")
    place = path.absolute().parent / file
    if not file.endswith(".py") and not place.exists():
        return TargetRef(target.name, args=target.args)
    return TargetRef(os.path.relpath(place) + colon + attribute, args=target.args)
