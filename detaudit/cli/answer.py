"""Give an answer: the reports that were asked for, and the exit code of the verdict."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from detaudit.errors import EXIT_NOT_REPRODUCIBLE, EXIT_REPRODUCIBLE, EXIT_UNVERIFIED
from detaudit.model.result import Verdict
from detaudit.report.formats import FORMATS, render_answer
from detaudit.report.github import SUMMARY, append_summary, render_github
from detaudit.report.output import STANDARD_OUTPUT, check_destinations, write
from detaudit.report.terminal import print_result

if TYPE_CHECKING:
    import argparse

    from detaudit.config import Settings
    from detaudit.model.result import AuditResult

REPORTS = (*FORMATS, "github")
"""The options of the table that ask for reports; all verbs that give an answer have them."""

EXIT_CODES = {
    Verdict.REPRODUCIBLE: EXIT_REPRODUCIBLE,
    Verdict.NOT_REPRODUCIBLE: EXIT_NOT_REPRODUCIBLE,
    Verdict.UNVERIFIED: EXIT_UNVERIFIED,
}

GRAVEST_FIRST = (Verdict.NOT_REPRODUCIBLE, Verdict.UNVERIFIED, Verdict.REPRODUCIBLE)


def check_reports(given: Settings | argparse.Namespace) -> None:
    """Raise before any work is done if a report could not be written after it."""
    destinations: list[str | None] = list(_destinations(given).values())
    if given.github:
        destinations += [STANDARD_OUTPUT, os.environ.get(SUMMARY) or None]
    check_destinations(destinations)


def answer(result: AuditResult, given: Settings | argparse.Namespace) -> int:
    """Write the reports of one audit and return the exit code of its verdict."""
    _write([result], given, lambda name: render_answer(name, result))
    return EXIT_CODES[result.verdict]


def answer_session(results: Sequence[AuditResult], given: Settings | argparse.Namespace) -> int:
    """Write the reports of several audits and return the exit code of the gravest verdict."""
    _write(results, given, lambda name: FORMATS[name](results))
    verdicts = {result.verdict for result in results}
    gravest = next((one for one in GRAVEST_FIRST if one in verdicts), Verdict.UNVERIFIED)
    return EXIT_CODES[gravest]


def _write(
    results: Sequence[AuditResult], given: Settings | argparse.Namespace, render: Callable[[str], str]
) -> None:
    """Write the reports; text goes to standard output unless a report does."""
    reports = _destinations(given)
    if STANDARD_OUTPUT not in reports.values():
        for result in results:
            print_result(result, sys.stdout)
    if given.github:
        write(render_github(results), STANDARD_OUTPUT)
        append_summary(results)
    for name, destination in reports.items():
        write(render(name), destination)


def _destinations(given: Settings | argparse.Namespace) -> dict[str, str]:
    """Return the destination of each report that was asked for, by the name of its format."""
    named = {name: getattr(given, name) for name in FORMATS}
    return {name: destination for name, destination in named.items() if destination is not None}
