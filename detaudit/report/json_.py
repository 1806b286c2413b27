"""The whole answer as JSON, to the contract `detaudit.result/1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detaudit import __version__
from detaudit.model.codec import result_to_json
from detaudit.report.output import write

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult


def write_json(result: AuditResult, destination: str) -> None:
    """Write the answer to a file, or to standard output for `-`."""
    write(result_to_json(result, __version__), destination)
