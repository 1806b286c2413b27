"""Compare two traces and say whether the runs are the same, and if not, where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit.cli.answer import answer
from detaudit.cli.options import Once
from detaudit.compare import compare
from detaudit.compare.result import diff_result
from detaudit.report.output import check_destinations
from detaudit.trace.reader import TraceReader

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("first", metavar="A", help="a trace; called run 1 in the answer")
    parser.add_argument("second", metavar="B", help="another trace; called run 2")
    help_text = "write the result as JSON there; - is standard output"
    parser.add_argument("--json", action=Once, metavar="FILE", help=help_text)


def run(arguments: argparse.Namespace) -> int:
    """Compare the traces and give the answer."""
    check_destinations([arguments.json])
    with TraceReader(arguments.first) as first, TraceReader(arguments.second) as second:
        result = diff_result(first, second, compare(first, second))
    return answer(result, arguments.json)
