"""Write the answer as commands to a GitHub workflow: annotations at lines, and a page for its summary."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.errors import OutputError
from detaudit.model.result import Verdict
from detaudit.report.lines import Tone, below_root
from detaudit.report.markdown import render_markdown
from detaudit.report.references import is_from_reference, reference_lines
from detaudit.report.summary import finding_lines, headline, summarize
from detaudit.report.terminal import printable

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult, Finding
    from detaudit.report.lines import Line

SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which a workflow's step finds the file for its part of the job's summary."""


def render_github(results: Sequence[AuditResult]) -> str:
    """One annotation for each fault, and one for each target without."""
    return "".join(f"{command}\n" for result in results for command in _commands(result))


def append_summary(results: Sequence[AuditResult]) -> None:
    """Add the answers to the job's summary, if this is a step of a workflow. Raises OutputError."""
    path = os.environ.get(SUMMARY)
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(render_markdown(results) + "\n")
    except OSError as error:
        message = f"{SUMMARY} is {path}, which cannot be written: {error.strerror or error}"
        raise OutputError("output-unwritable", message, f"unset {SUMMARY}, or leave out --github") from error


def _commands(result: AuditResult) -> Iterator[str]:
    for number, finding in enumerate(result.findings, 1):
        yield _at_finding(result, finding, number)
    if not result.findings:
        level = "notice" if result.verdict is Verdict.REPRODUCIBLE else "error"
        first, *rest = summarize(result)
        yield _command(level, {"title": first.label}, [first.text, *_told(rest)])


def _at_finding(result: AuditResult, finding: Finding, number: int) -> str:
    first = headline(result)
    title = f"{first.label}: {finding.cause}" if finding.cause else first.label
    lines = [
        *(reference_lines(result) if is_from_reference(finding) else ()),
        *finding_lines(finding, number),
    ]
    return _command("error", {**_place(finding), "title": title}, [first.text, *_told(lines)])


def _place(finding: Finding) -> dict[str, str]:
    """Give the line at which the annotation stands; empty if the line is not in a file of the repository."""
    path = None if finding.site is None else below_root(finding.site.file)
    if finding.site is None or path is None:
        return {}
    return {"file": path, "line": str(max(1, finding.site.line))}


def _told(lines: Iterable[Line]) -> list[str]:
    """List the lines without code, and without what cannot be done in a log."""
    return [
        f"{line.label}: {line.text}" if line.label else line.text
        for line in lines
        if line.tone is not Tone.CODE and line.label != "more"
    ]


def _command(level: str, properties: dict[str, str], lines: Sequence[str]) -> str:
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = "%0A".join(_data(line) for line in lines)
    return f"::{level} {given}::{message}"


def _data(text: str) -> str:
    """Text in which nothing ends the command. Line breaks and the like become visible."""
    return printable(text, "utf-8").replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
