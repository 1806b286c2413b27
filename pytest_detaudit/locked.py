"""Hold calls against `detaudit.lock` with `assert_matches_lock`; the lock is written once, at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from detaudit.config import Settings, audit_options, in_ci, lock_options
from detaudit.errors import LockError
from detaudit.model.lock import TEST, Lock, LockedTarget
from detaudit.model.result import AuditResult, TargetSummary, Verdict
from detaudit.reference.blocks import blocks_for, with_block, without
from detaudit.reference.lock import audit_target_against_lock
from detaudit.reference.lock_file import EMPTY, NAME, read_lock, text_of
from detaudit.reference.locking import Locked, LockState, lock_target
from detaudit.report.output import write
from detaudit.run.progress import Silence
from pytest_detaudit.audit import as_target, in_folder_of
from pytest_detaudit.order import Order, id_of
from pytest_detaudit.session_results import Collected, collected

UPDATE = "pytest {test} --detaudit-update"


@dataclass(frozen=True, slots=True)
class LockChange:
    """The changes that a session made to its lock."""

    path: Path
    written: Sequence[LockedTarget]
    unused: Sequence[LockedTarget]
    removed: bool
    """Whether unused entries were removed."""

    def lines(self) -> Iterator[str]:
        """Describe the changes for a reader."""
        if self.written:
            yield f"{self.path.name}: {_entries(len(self.written))} written"
        for target in self.unused:
            done = "removed" if self.removed else "no test uses it; --detaudit-update removes it"
            yield f"{self.path.name}: {target.name}: {done}"


def lock_path(settings: Settings, config: pytest.Config) -> Path:
    """Find the path of the lock of a session."""
    return config.rootpath / (settings.lock or NAME)


def hold_call(item: pytest.Item, order: Order, name: str | None, settings: Settings) -> AuditResult:
    """Hold a call against the lock; put it there, at the end of the session, where it may and must be.

    Raises LockError for a lock that cannot be read, or that lacks the call where CI is set.
    """
    path, test = lock_path(settings, item.config), id_of(item)
    lock = read_lock(path) if path.exists() else EMPTY
    target = LockedTarget(test if name is None else f"{test}{TEST}{name}", (), order.seed)
    known = bool(blocks_for(lock, target))
    if not known and not settings.update and in_ci():
        message = f"{path} has nothing for {target.name}, and CI is set: nothing is added"
        raise LockError("lock-without-target", message, "run the test elsewhere, and commit the lock")
    collected(item.config).used.append(target)
    command = UPDATE.format(test=test)
    with as_target(item, order) as runs, in_folder_of(item.config):
        if known and not settings.update:
            options = lock_options(settings, path)
            return audit_target_against_lock(runs, target, lock, options, command=command, progress=Silence())
        locked = lock_target(runs, target, lock, audit_options(settings), Silence())[1]
    return _as_locked(item, locked)


def _as_locked(item: pytest.Item, locked: Locked) -> AuditResult:
    """Answer about a call that was to be put into the lock."""
    summary = TargetSummary("test", locked.target.name)
    if locked.block is None:
        why = "its two runs differ" if locked.state is LockState.DIFFERS else "there is nothing to lock"
        reason = f"{why}: {locked.reason}" + (f" ({locked.place})" if locked.place else "")
        return AuditResult.unanswered(reason, summary)
    if locked.state is not LockState.UNCHANGED:
        collected(item.config).written.append(locked.block)
    return AuditResult(Verdict.REPRODUCIBLE, None, summary, (), None, ())


def update_lock(session: pytest.Session, found: Collected, settings: Settings) -> LockChange:
    """Write the lock once, with all that the session has for it; what is unused goes only in an update."""
    path = lock_path(settings, session.config)
    before = read_lock(path) if path.exists() else EMPTY
    lock = before
    for block in found.written:
        lock = with_block(lock, block)
    unused = _unused(lock, session, found.used)
    if settings.update:
        lock = without(lock, unused)
    if lock != before:
        write(text_of(lock), str(path))
    return LockChange(path, [block.target for block in found.written], unused, removed=settings.update)


def _unused(lock: Lock, session: pytest.Session, used: Iterable[LockedTarget]) -> list[LockedTarget]:
    """List the locked tests that are gone, or that have passed without using the lock."""
    scope, known = Scope(session), set(used)
    targets = dict.fromkeys(block.target for block in lock.blocks)
    return [
        target
        for target in targets
        if target.is_test and target not in known and scope.should_have_used(target.name)
    ]


class Scope:
    """The tests that a session was to run, and those of them that passed."""

    def __init__(self, session: pytest.Session) -> None:
        config = session.config
        option = config.option
        self._chosen = any(getattr(option, name, None) for name in CHOOSING) or bool(session.shouldstop)
        self._folder = config.rootpath
        self._paths = [
            (config.invocation_params.dir / str(path)).resolve() for path in option.file_or_dir or ()
        ]
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        stats = {} if terminal is None else terminal.stats
        # Without a terminal nobody keeps count of what passed.
        self._unknown = terminal is None
        self._passed = set(_names(stats.get("passed", ())))
        self._others = set(_names(report for kind in NOT_PASSED for report in stats.get(kind, ())))

    def should_have_used(self, name: str) -> bool:
        """Say whether a test locked under this name would have used the lock by now, if it uses it at all."""
        ran = self._passed | self._others
        owners = [test for test in ran if name == test or name.startswith(test + TEST)]
        if owners:
            owner = max(owners, key=len)
            return owner in self._passed and owner not in self._others
        if self._chosen or self._unknown or any(TEST in str(path) for path in self._paths):
            return False
        file = (self._folder / name.partition(TEST)[0]).resolve()
        return not self._paths or any(file.is_relative_to(path) for path in self._paths)


def _names(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    for report in reports:
        yield report.nodeid
        # With `--dist loadgroup`, xdist appends the group.
        yield report.nodeid.rpartition("@")[0] or report.nodeid


NOT_PASSED = ("failed", "error", "skipped", "xfailed", "xpassed")
"""The names of pytest for the outcomes of a test that did not pass."""

CHOOSING = (
    "keyword", "markexpr", "deselect", "lf", "stepwise", "ignore", "ignore_glob", "maxfail", "collectonly",
)  # fmt: skip
"""Options by which a session runs a part of its tests."""


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"
