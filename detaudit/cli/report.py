"""Show a result again that was saved with --json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.answer import answer
from detaudit.cli.options import Once
from detaudit.errors import TraceError
from detaudit.model.codec import WRITE_AGAIN, result_from_json
from detaudit.report.output import check_destinations
from detaudit.trace.layout import is_trace

if TYPE_CHECKING:
    import argparse

    from detaudit.model.result import AuditResult


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("file", metavar="FILE", help="a result that was written with --json")
    help_text = "write the result as JSON there; - is standard output"
    parser.add_argument("--json", action=Once, metavar="FILE", help=help_text)


def run(arguments: argparse.Namespace) -> int:
    """Read the result and give the answer again; the exit code is that of its verdict."""
    check_destinations([arguments.json])
    return answer(read_result(Path(arguments.file)), arguments.json)


def read_result(path: Path) -> AuditResult:
    """Read a saved result. Raises TraceError if it is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise TraceError("result-missing", message, WRITE_AGAIN) from error
    if is_trace(content):
        message = f"{path} is a trace, not a result"
        raise TraceError("result-foreign", message, "compare two traces with `detaudit diff A B --json FILE`")
    return result_from_json(content, str(path))
