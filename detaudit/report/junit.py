"""Write the answer as JUnit's XML, for the test view of a CI system: one suite, one case for each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detaudit.model.result import Verdict
from detaudit.report.references import rule_of
from detaudit.report.summary import headline
from detaudit.report.terminal import printable, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from detaudit.model.result import AuditResult

ELEMENTS = {Verdict.NOT_REPRODUCIBLE: "failure", Verdict.UNVERIFIED: "error"}
"""The element in the case of a target that did not pass."""


def render_junit(results: Sequence[AuditResult]) -> str:
    """Write the answers as a document, in letters that any encoding has."""
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    verdicts = [result.verdict for result in results]
    counts = {
        "tests": str(len(results)),
        "failures": str(verdicts.count(Verdict.NOT_REPRODUCIBLE)),
        "errors": str(verdicts.count(Verdict.UNVERIFIED)),
        "time": _seconds(sum(map(_time, results))),
    }
    root = Element("testsuites", {"name": "detaudit", **counts})
    suite = SubElement(root, "testsuite", {"name": "detaudit", **counts, "skipped": "0"})
    suite.extend(_case(result) for result in results)
    indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="us-ascii").decode()}\n'


def _case(result: AuditResult) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    first = headline(result)
    case = Element(
        "testcase",
        {
            "classname": f"detaudit.{result.target.kind}",
            "name": printable(first.text, "utf-8"),
            "time": _seconds(_time(result)),
        },
    )
    if result.verdict in ELEMENTS:
        message = printable(f"{first.label}: {_why(result)}", "utf-8")
        found = SubElement(case, ELEMENTS[result.verdict], {"message": message, "type": _type(result)})
        # The text is printable as it is, but for its line breaks.
        found.text = f"\n{text_of(result)}"
    return case


def _type(result: AuditResult) -> str:
    """Name the kind of a result, by which a CI system may group."""
    if result.verdict is Verdict.UNVERIFIED:
        return Verdict.UNVERIFIED.value
    return rule_of(result, next(iter(result.findings), None))


def _why(result: AuditResult) -> str:
    if result.findings:
        finding = result.findings[0]
        return f"{finding.cause}: {finding.message}" if finding.cause else finding.message
    return result.reason or "the runs are not the same"


def _time(result: AuditResult) -> float:
    return sum(run.seconds or 0.0 for run in result.runs)


def _seconds(time: float) -> str:
    return f"{time:.3f}"
