"""Give an answer: the reports that were asked for, and the exit code of the verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from detaudit.errors import EXIT_NOT_REPRODUCIBLE, EXIT_REPRODUCIBLE, EXIT_UNVERIFIED
from detaudit.model.result import Verdict
from detaudit.report.json_ import write_json
from detaudit.report.output import STANDARD_OUTPUT
from detaudit.report.terminal import print_result

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult

EXIT_CODES = {
    Verdict.REPRODUCIBLE: EXIT_REPRODUCIBLE,
    Verdict.NOT_REPRODUCIBLE: EXIT_NOT_REPRODUCIBLE,
    Verdict.UNVERIFIED: EXIT_UNVERIFIED,
}


def answer(result: AuditResult, json: str | None) -> int:
    """Write the reports and return the exit code. Text goes to standard output unless JSON does."""
    if json != STANDARD_OUTPUT:
        print_result(result, sys.stdout)
    if json is not None:
        write_json(result, json)
    return EXIT_CODES[result.verdict]
