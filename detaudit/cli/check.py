"""Run a training several times and say whether the runs are the same, and if not, where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.cli.answer import answer
from detaudit.cli.options import add_settings, add_target, target_of
from detaudit.cli.progress import progress_on_stderr
from detaudit.config import resolve
from detaudit.report.output import check_destinations

if TYPE_CHECKING:
    import argparse

SETTINGS = ("runs", "steps", "level", "seed", "timeout", "jobs", "keep", "json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    add_target(parser)
    add_settings(parser, SETTINGS)


def run(arguments: argparse.Namespace) -> int:
    """Audit the target and give the answer."""
    target = target_of(arguments)
    settings = resolve(vars(arguments))
    check_destinations([settings.json])
    # Imported late: everything that is wrong with the command line is told at once.
    from detaudit.diagnose.audit import audit

    with progress_on_stderr() as progress:
        result = audit(target, settings, progress)
    return answer(result, settings.json)
