"""What the first answer says, in about ten lines, before any format decides how it looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from detaudit.model.result import Affected, AuditResult, Compared, Finding, Origin, Verdict
from detaudit.model.trace import Site

MOST_NOTICES = 3
RUNS_SUGGESTED = 11
"""Ten pairs: enough to see, with 95 % confidence, what shows in a quarter of the pairs."""


class Tone(StrEnum):
    """What a line is, for a format that can show it."""

    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    PLAIN = "plain"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the answer; the label is empty where it goes on from the line before."""

    label: str
    text: str
    tone: Tone = Tone.PLAIN


HEADLINES = {
    Verdict.REPRODUCIBLE: ("REPRODUCIBLE", Tone.GOOD),
    Verdict.NOT_REPRODUCIBLE: ("NOT REPRODUCIBLE", Tone.BAD),
    Verdict.UNVERIFIED: ("UNVERIFIED", Tone.UNSURE),
}


def summarize(result: AuditResult) -> list[Line]:
    """The first answer: verdict, first divergence, cause, reach, evidence, notices, and where to see more."""
    headline, tone = HEADLINES[result.verdict]
    target = " ".join((result.target.name, *result.target.args))
    lines = [Line(headline, target, tone)]
    if result.reason is not None:
        lines.append(Line("reason", result.reason))
    if result.findings:
        lines.extend(_finding(result.findings[0]))
    for number, finding in enumerate(result.findings[1:], 2):
        lines.extend(_further(finding, number))
    lines.extend(Line("not explained", text) for text in result.unexplained)
    lines.extend(_evidence(result))
    lines.extend(_notices(result))
    lines.append(Line("more", _more(result)))
    return lines


def _finding(finding: Finding) -> Iterator[Line]:
    yield Line("first difference", _where(finding.origin))
    if finding.cause is None:
        yield Line("", finding.message)
        yield from _at(finding)
        yield Line("cause", "not diagnosed: the place above is where the runs part, not yet why")
    else:
        yield Line("", f"the {finding.origin.event} differs")
        yield Line("cause", f"{_named(finding)}: {finding.message}")
        yield from _at(finding)
        yield from _proof(finding)
    if finding.fix is not None:
        yield Line("fix to try", finding.fix)
    if finding.affects is not None:
        yield Line("differs after it", _reach(finding.affects))


def _further(finding: Finding, number: int) -> Iterator[Line]:
    """A fault behind the first one, in fewer lines."""
    yield Line(f"fault {number}", f"{_named(finding)}: {finding.message}")
    yield from _at(finding)
    yield from _proof(finding)
    if finding.fix is not None:
        yield Line("fix to try", finding.fix)


def _at(finding: Finding) -> Iterator[Line]:
    if finding.site is None:
        return
    yield Line("at", _place(finding.site))
    if finding.site.code:
        yield Line("", finding.site.code, Tone.CODE)


def _proof(finding: Finding) -> Iterator[Line]:
    """What was held fixed, and what came of it."""
    for one in finding.evidence:
        if "held" not in one or not finding.confirmed:
            continue
        others = one.get("together_with") or ()
        besides = "and nothing else" if not others else "and the other faults' sources, and nothing else"
        equal = f"{one['equal_pairs']} of {_count(_whole(one['pairs']), 'pair')} of runs are equal"
        without = f"{one['without_equal_pairs']} of {one['without_pairs']}"
        yield Line("proof", f"with {one['held']} held fixed, {besides}, {equal}; without, {without}")


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _where(origin: Origin) -> str:
    parts = [f"runs {origin.run[0]} and {origin.run[1]}", f"step {origin.step}", origin.phase]
    # Where a whole step or pass is there in one run only, the module that it is told by says nothing.
    if origin.root and not (origin.kind == "structure" and origin.phase in {"optimizer", "eval"}):
        parts.append(f"module {origin.module} of {origin.root}" if origin.module else f"module {origin.root}")
    if origin.op is not None:
        parts.append(f"operator {origin.op}")
    if origin.stream != "main":
        parts.append(f"in {origin.stream}")
    return ", ".join(parts)


def _place(site: Site) -> str:
    through = f" (through {site.through})" if site.through else ""
    inside = f" in {site.function}" if site.function else ""
    return f"{_shortened(site.file)}:{site.line}{inside}{through}"


def _shortened(file: str) -> str:
    """The path as seen from the current folder, if the file is in it."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file


def _named(finding: Finding) -> str:
    return f"{finding.cause}{'' if finding.confirmed else ' (not confirmed)'}"


def _reach(affects: Affected) -> str:
    if not affects.weights and not affects.layers:
        return "nothing that both runs have"
    what = f"{_count(affects.weights, 'weight')} and {_count(affects.layers, 'module')}"
    reached = f"{what}, from step {affects.from_step} on"
    return reached if affects.weights else f"{reached}; no weight was seen to differ"


def _evidence(result: AuditResult) -> Iterator[Line]:
    compared = result.compared
    if compared is None:
        return
    extent = f"{_count(compared.steps, 'step')}, {_count(compared.events, 'event')}, level {compared.level}"
    if result.verdict is not Verdict.REPRODUCIBLE:
        yield Line("compared", f"{_rate(result)}: {extent}")
        return
    yield Line("compared", f"{_count(len(result.runs), 'run')}, every number the same: {extent}")
    yield Line("that excludes", bound_in_words(compared))
    if compared.not_varied:
        yield Line("not varied", ", ".join(compared.not_varied))


def _rate(result: AuditResult) -> str:
    if not result.findings:
        return f"{_count(len(result.runs), 'run')}, no pair found to differ"
    rate = result.findings[0].rate
    return f"{rate['differs']} of {_count(rate['pairs'], 'pair')} of runs differ"


def bound_in_words(compared: Compared) -> str:
    """What a number of equal pairs says, and what it does not."""
    confidence, share = compared.bound["confidence"], 1 - compared.bound["agreement_at_least"]
    words = (
        f"a fault that shows in more than {share:.0%} of pairs of runs (with {confidence:.0%} confidence); "
        "a rarer one may be there"
    )
    pairs = RUNS_SUGGESTED - 1
    if compared.pairs >= pairs:
        return words
    return (
        f"{words} (--runs {RUNS_SUGGESTED} would exclude more than {1 - (1 - confidence) ** (1 / pairs):.0%})"
    )


def _notices(result: AuditResult) -> Iterator[Line]:
    for notice in result.notices[:MOST_NOTICES]:
        yield Line("notice", notice.message)
    left = len(result.notices) - MOST_NOTICES
    if left > 0:
        yield Line("", f"and {_count(left, 'more notice')}, in the JSON result")


def _more(result: AuditResult) -> str:
    if result.target.kind == "trace":
        return "--json FILE writes everything that was found"
    if result.verdict is Verdict.REPRODUCIBLE:
        return "--json FILE writes everything that was recorded about the runs"
    causes = [finding.cause for finding in result.findings if finding.cause]
    if causes:
        return f"detaudit explain {causes[0]}; --json FILE writes everything that was found"
    return "--json FILE writes everything that was found; --keep FOLDER keeps the traces and the runs' output"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
