"""Write the findings as SARIF 2.1.0 for code scanning: the rule is the cause, the location is its line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from xxhash import xxh3_128_hexdigest

from detaudit import __version__
from detaudit.model.result import FaultScope, Verdict
from detaudit.pages.page import labels, page
from detaudit.report.lines import below_root
from detaudit.report.references import DIFFERENCE, is_from_reference, reference_lines, rule_of
from detaudit.report.summary import headline
from detaudit.report.terminal import printable

if TYPE_CHECKING:
    from detaudit.model.result import AuditResult, Finding
    from detaudit.model.trace import Site

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
"""The folder that paths are relative to, under the name that code scanning knows."""

FINGERPRINT = "detaudit/v1"

UNEXPLAINED = "not-explained"
UNVERIFIED = "unverified"

Plain = dict[str, Any]

DESCRIPTIONS = {
    DIFFERENCE: "Two runs of the same training differ; the cause was not found.",
    "differs-from-lock": "The training repeats itself, but does not give the numbers in its lock.",
    "differs-from-commit": "The training repeats itself, but does not give the numbers of another commit.",
}
"""Descriptions of the rules that are not causes, and so have no page."""


def render_sarif(results: Sequence[AuditResult]) -> str:
    """Write the answers as one run of one tool."""
    found = [(result, finding) for result in results for finding in _findings(result)]
    rules = sorted({rule_of(*one) for one in found})
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": _driver(rules)},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "the root of the repository"}}},
        "invocations": [_invocation(result) for result in results],
        "results": [_result(*one, rules, seen) for one in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _findings(result: AuditResult) -> Sequence[Finding | None]:
    """List the findings; if only a difference is known, give one entry (None) for the difference."""
    if result.verdict is Verdict.NOT_REPRODUCIBLE and not result.findings:
        return [None]
    return result.findings


def _driver(rules: Sequence[str]) -> Plain:
    return {"name": "detaudit", "semanticVersion": __version__, "rules": [_rule(rule) for rule in rules]}


def _rule(rule: str) -> Plain:
    if rule in labels():
        known = page(rule)
        summary, text = known.summary, known.text
    else:
        summary = text = DESCRIPTIONS.get(rule, "A cause that this version of detaudit does not know.")
    return {
        "id": rule,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": summary},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["reproducibility"]},
    }


def _invocation(result: AuditResult) -> Plain:
    """One audit: what it was of, and what it could not tell."""
    told = [_notification(UNEXPLAINED, "warning", text) for text in result.unexplained]
    unverified = result.verdict is Verdict.UNVERIFIED
    if unverified:
        told.append(_notification(UNVERIFIED, "error", result.reason or "there is no evidence"))
    return {
        "executionSuccessful": not unverified,
        "toolExecutionNotifications": told,
        "properties": {"target": _shown(headline(result).text), "verdict": result.verdict.value},
    }


def _notification(name: str, level: str, text: str) -> Plain:
    return {"descriptor": {"id": name}, "level": level, "message": {"text": _shown(text)}}


def _result(result: AuditResult, finding: Finding | None, rules: Sequence[str], seen: Counter[str]) -> Plain:
    rule, stable = rule_of(result, finding), fingerprint(result, finding)
    seen[stable] += 1
    site = finding.site if finding else None
    return {
        "ruleId": rule,
        "ruleIndex": rules.index(rule),
        "level": "error",
        "message": {"text": _shown(_message(result, finding))},
        "locations": [_whole(result) if site is None else _location(site)],
        "relatedLocations": [
            {**_location(other), "id": number, "message": {"text": "also involved"}}
            for number, other in enumerate(finding.other_sites if finding else (), 1)
        ],
        # The same line can be found twice, by way of two targets for example.
        "partialFingerprints": {FINGERPRINT: f"{stable}:{seen[stable]}"},
        "properties": {
            "target": _shown(headline(result).text),
            "confirmed": finding is not None and finding.confirmed,
            "scope": (FaultScope.TRAINING if finding is None else finding.scope).value,
        },
    }


def _message(result: AuditResult, finding: Finding | None) -> str:
    """Say what was found, in which training, and what to do about it."""
    parts = [f"{finding.message if finding else 'the runs are not the same'} ({headline(result).text})"]
    if finding is None or is_from_reference(finding):
        parts.extend(": ".join(filter(None, (line.label, line.text))) for line in reference_lines(result))
    if finding is not None and finding.fix is not None:
        parts.append(f"what to do: {finding.fix}")
    return "; ".join(parts)


def fingerprint(result: AuditResult, finding: Finding | None) -> str:
    """Identify a fault by what stays the same when lines are added above it."""
    if finding is None:
        where = [result.target.name]
    elif finding.site is None:
        origin = finding.origin
        where = [result.target.name, origin.phase, origin.root, origin.module or "", origin.event]
    else:
        site = finding.site
        # Outside the repository, the folders may have other names elsewhere.
        where = [below_root(site.file) or Path(site.file).name, site.function, site.code]
    text = "\0".join([rule_of(result, finding), *where])
    return xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


def _location(site: Site) -> Plain:
    region: Plain = {"startLine": max(1, site.line)}
    if site.code:
        region["snippet"] = {"text": _shown(site.code)}
    location: Plain = {"physicalLocation": {"artifactLocation": _artifact(site.file), "region": region}}
    if site.function and not site.function.startswith("<"):
        location["logicalLocations"] = [{"name": _shown(site.function), "kind": "function"}]
    return location


def _whole(result: AuditResult) -> Plain:
    """Locate a result of which no line is known at its target: code scanning needs a place."""
    file = result.target.name.partition(":")[0]
    if not Path(file).is_file():
        return {"logicalLocations": [{"fullyQualifiedName": _shown(result.target.name)}]}
    return {"physicalLocation": {"artifactLocation": _artifact(file), "region": {"startLine": 1}}}


def _artifact(file: str) -> Plain:
    inside = below_root(file)
    if inside is not None:
        return {"uri": _quoted(inside), "uriBaseId": ROOT}
    # A name such as <string> is no path.
    return {"uri": _quoted(file) if file.startswith("<") else f"file://{_quoted(str(Path(file).absolute()))}"}


def _quoted(path: str) -> str:
    return quote(os.fsencode(path))


def _shown(text: str) -> str:
    return printable(text, "utf-8")
