"""Compare two traces and say whether the runs are the same, and if not, where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.cli.answer import REPORTS, answer, check_reports
from detaudit.cli.options import add_settings
from detaudit.compare import compare
from detaudit.compare.result import diff_result
from detaudit.compare.scope import within_scope
from detaudit.model.result import ALL
from detaudit.trace.reader import TraceReader

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("first", metavar="A", help="a trace; called run 1 in the answer")
    parser.add_argument("second", metavar="B", help="another trace; called run 2")
    add_settings(parser, ("scope", *REPORTS))


def run(arguments: argparse.Namespace) -> int:
    """Compare the traces and give the answer."""
    check_reports(arguments)
    with TraceReader(arguments.first) as first, TraceReader(arguments.second) as second:
        result = diff_result(first, second, compare(first, second))
    result = within_scope(result, arguments.scope or ALL)
    return answer(result, arguments)
