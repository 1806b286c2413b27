"""Show a result again that was saved with --json, or those of a session of pytest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.answer import REPORTS, answer, answer_session, check_reports
from detaudit.cli.options import add_settings
from detaudit.errors import TraceError
from detaudit.model.codec import WRITE_AGAIN, result_from_json
from detaudit.report.json_ import is_session, read_session
from detaudit.trace.layout import is_trace

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    parser.add_argument("file", metavar="FILE", help="a result that was written with --json")
    add_settings(parser, REPORTS)


def run(arguments: argparse.Namespace) -> int:
    """Read what was saved and give the answer again, with the exit code of its verdict."""
    check_reports(arguments)
    content = read(Path(arguments.file))
    if is_session(content):
        return answer_session(read_session(content, arguments.file), arguments)
    return answer(result_from_json(content, arguments.file), arguments)


def read(path: Path) -> bytes:
    """Read the content of a file. Raises TraceError if there is none, or if it is a trace."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise TraceError("result-missing", message, WRITE_AGAIN) from error
    if is_trace(content):
        message = f"{path} is a trace, not a result"
        raise TraceError("result-foreign", message, "compare two traces with `detaudit diff A B --json FILE`")
    return content
