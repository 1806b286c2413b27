"""Run a training several times and say whether the runs are the same, and if not, where they part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.answer import REPORTS, answer, answer_session, check_reports
from detaudit.cli.options import add_settings, add_target, target_of
from detaudit.cli.progress import progress_on_stderr
from detaudit.config import (
    Settings,
    audit_options,
    commit_options,
    lock_options,
    resolve,
    vary_options,
)
from detaudit.errors import UsageError
from detaudit.report.output import check_folder

if TYPE_CHECKING:
    import argparse

    from detaudit.model.result import AuditResult
    from detaudit.vary.options import Asked

SETTINGS = (
    "launch",
    "runs",
    "steps",
    "scope",
    "level",
    "seed",
    "timeout",
    "jobs",
    "diagnose",
    "budget",
    "perturb",
    "repro",
    "fix",
    "vary",
    "keep",
    "lock",
    "tolerance",
    "against",
    "link",
    *REPORTS,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_target(parser)
    add_settings(parser, SETTINGS)


def run(arguments: argparse.Namespace) -> int:
    """Read what is asked for, have one of the four engines answer, and report.

    Each engine gets the target, its own options, and whom to tell what goes on.
    """
    settings = _one_reference(arguments, resolve(vars(arguments)))
    check_reports(settings)
    _check_folders(settings)
    axes = _axes(settings)
    if settings.lock is not None and arguments.target is arguments.module is None:
        return _whole_lock(arguments, settings, settings.lock)
    if _is_launch(arguments.target):
        return answer(_between_ranks(arguments, Path(arguments.target)), settings)
    target = target_of(arguments, settings.launch)
    with progress_on_stderr() as progress:
        # Imported late: everything that is wrong with the command line is told at once.
        if settings.lock is not None:
            from detaudit.reference.lock import audit_against_lock

            result = audit_against_lock(target, lock_options(settings, settings.lock), progress)
        elif settings.against is not None:
            from detaudit.reference.commit import audit_against_commit

            result = audit_against_commit(target, commit_options(settings, settings.against), progress)
        elif axes:
            from detaudit.targets.find import find_target
            from detaudit.vary.audit import audit_along_axes

            result = audit_along_axes(find_target(target), vary_options(settings, axes), progress)
        else:
            from detaudit.diagnose.audit import audit

            result = audit(target, audit_options(settings), progress)
    return answer(result, settings)


def _is_launch(target: str | None) -> bool:
    """Say whether a target is a folder with the traces of a launch, not a program."""
    return target is not None and Path(target).is_dir() and any(Path(target).glob("*.trace"))


def _between_ranks(arguments: argparse.Namespace, folder: Path) -> AuditResult:
    """Compare the ranks of a launch that left its traces in a folder."""
    if arguments.passed_on:
        raise UsageError("usage", "traces take no arguments", "remove what follows `--`")
    from detaudit.compare.one_launch import check_launch

    return check_launch(folder)


def _whole_lock(arguments: argparse.Namespace, settings: Settings, path: Path) -> int:
    """Hold all that the lock has against it."""
    if arguments.passed_on:
        raise UsageError("usage", "arguments after -- need a target, and no target is given", "name it")
    if settings.launch is not None:
        raise UsageError("usage", "no target is given that the launcher could start", "name it")
    if settings.keep is not None:
        raise UsageError("usage", "--keep is for one target, and none is given", "name it")
    from detaudit.reference.whole_lock import audit_whole_lock

    with progress_on_stderr() as progress:
        results = audit_whole_lock(lock_options(settings, path), progress)
    return answer(results[0], settings) if len(results) == 1 else answer_session(results, settings)


def _one_reference(arguments: argparse.Namespace, settings: Settings) -> Settings:
    """Hold against what the command line names, whatever a file says. Raises UsageError for two of a kind."""
    if settings.lock is None or settings.against is None:
        return settings
    if (arguments.lock is None) == (arguments.against is None):
        hint = "compare with one reference at a time: leave out the lock, or the other commit"
        raise UsageError("usage", "both a lock and another commit are given", hint)
    return replace(settings, lock=None) if arguments.lock is None else replace(settings, against=None)


def _axes(settings: Settings) -> Asked:
    """Read the axes. Raises UsageError for what cannot be, and for what cannot be asked for beside them."""
    if not settings.vary:
        return {}
    from detaudit.vary.axis_syntax import read_options

    asked = read_options(settings.vary)
    if settings.runs > Settings().runs:
        hint = "leave out --runs: each set of conditions is run once, and again where the bits differ"
        raise UsageError("usage", "--vary itself decides the number of runs", hint)
    for name in ("lock", "against", "perturb", "repro", "fix"):
        if getattr(settings, name) is not None:
            hint = f"ask for one, then for the other: leave out --{name}, or --vary"
            raise UsageError("usage", f"--vary and --{name} are two questions", hint)
    return asked


def _check_folders(settings: Settings) -> None:
    """Raise if a folder could not be written to, or if nothing would ever be written there."""
    for name, folder in (("repro", settings.repro), ("fix", settings.fix)):
        if folder is None:
            continue
        if not settings.diagnose or settings.level != "auto":
            hint = f"leave out --no-diagnose and --level, or leave out --{name}"
            raise UsageError("usage", f"--{name} needs the search for the cause, which is off", hint)
        check_folder(folder)
