"""The formats of reports, by the names of their options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from detaudit.report.json_ import render_json, render_one
from detaudit.report.junit import render_junit
from detaudit.report.markdown import render_markdown
from detaudit.report.sarif import render_sarif

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult

FORMATS: dict[str, Callable[[Sequence[AuditResult]], str]] = {
    "json": render_json,
    "markdown": render_markdown,
    "junit": render_junit,
    "sarif": render_sarif,
}
"""The function that writes the answers of a session, by format. Modules that take long to import are imported
when they are used."""


def render_answer(name: str, result: AuditResult) -> str:
    """One answer in a format. In JSON that is the contract's object, not a session of one."""
    return render_one(result) if name == "json" else FORMATS[name]([result])
