"""Run a training several times and say whether the runs are the same, and if not, where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.cli.answer import answer
from detaudit.cli.options import add_settings, add_target, target_of
from detaudit.cli.progress import progress_on_stderr
from detaudit.config import resolve
from detaudit.errors import UsageError
from detaudit.report.output import check_destinations, check_folder

if TYPE_CHECKING:
    import argparse

    from detaudit.config import Settings

SETTINGS = (
    "runs",
    "steps",
    "level",
    "seed",
    "timeout",
    "jobs",
    "diagnose",
    "perturb",
    "repro",
    "fix",
    "keep",
    "json",
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_target(parser)
    add_settings(parser, SETTINGS)


def run(arguments: argparse.Namespace) -> int:
    """Audit the target and give the answer."""
    target = target_of(arguments)
    settings = resolve(vars(arguments))
    check_destinations([settings.json])
    _check_folders(settings)
    # Imported late: everything that is wrong with the command line is told at once.
    from detaudit.diagnose.audit import audit

    with progress_on_stderr() as progress:
        result = audit(target, settings, progress)
    return answer(result, settings.json)


def _check_folders(settings: Settings) -> None:
    """Raise if a folder could not be written to, or if nothing would ever be written there."""
    for name, folder in (("repro", settings.repro), ("fix", settings.fix)):
        if folder is None:
            continue
        if not settings.diagnose or settings.level != "auto":
            hint = f"leave out --no-diagnose and --level, or leave out --{name}"
            raise UsageError("usage", f"--{name} needs the cause, which is not looked for", hint)
        check_folder(folder)
