"""Compare two traces and say whether the runs are the same, and if not, where they part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.answer import REPORTS, answer, check_reports
from detaudit.cli.options import add_settings
from detaudit.compare import compare
from detaudit.compare.folders import diff_folders
from detaudit.compare.result import diff_result
from detaudit.compare.scope import within_scope
from detaudit.model.result import ALL
from detaudit.trace.reader import TraceReader

if TYPE_CHECKING:
    import argparse

    from detaudit.model.result import AuditResult


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument(
        "first", metavar="A", help="a trace, or a folder with that of each rank; run 1 in the answer"
    )
    parser.add_argument("second", metavar="B", help="another one; run 2")
    add_settings(parser, ("scope", *REPORTS))


def run(arguments: argparse.Namespace) -> int:
    """Compare the traces and give the answer."""
    check_reports(arguments)
    first, second = Path(arguments.first), Path(arguments.second)
    result = diff_folders(first, second) if first.is_dir() and second.is_dir() else _of_files(first, second)
    result = within_scope(result, arguments.scope or ALL)
    return answer(result, arguments)


def _of_files(first_path: Path, second_path: Path) -> AuditResult:
    with TraceReader(first_path) as first, TraceReader(second_path) as second:
        return diff_result(first, second, compare(first, second))
