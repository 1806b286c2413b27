"""Make the lines of the first answer, about ten, before any format decides how they look."""

from __future__ import annotations

from collections.abc import Iterator

from detaudit.model.cause import RELATIONS
from detaudit.model.evidence import EvidenceKind
from detaudit.model.result import (
    BY_RANK,
    RANKS,
    TRAINING,
    Affected,
    AuditResult,
    Compared,
    FaultScope,
    Finding,
    Verdict,
)
from detaudit.pages.page import labels
from detaudit.report import references, variations
from detaudit.report.lines import Line, Tone, count, place, within_run
from detaudit.report.references import is_from_reference, reference_lines

MOST_NOTICES = 3
MOST_OUTPUT = 8
"""The most lines of a failed run's output that are shown: the end of a traceback, and its message."""
RUNS_SUGGESTED = 11
"""Enough runs to see, with 95 % confidence, a fault that shows in four of ten pairs."""

HEADLINES = {
    Verdict.REPRODUCIBLE: ("REPRODUCIBLE", Tone.GOOD),
    Verdict.NOT_REPRODUCIBLE: ("NOT REPRODUCIBLE", Tone.BAD),
    Verdict.UNVERIFIED: ("UNVERIFIED", Tone.UNSURE),
}


def summarize(result: AuditResult) -> list[Line]:
    """List the lines of the first answer: verdict, first divergence, cause, reach, evidence, notices."""
    lines = [headline(result)]
    if result.reason is not None:
        lines.append(Line("reason", result.reason))
    lines.extend(reference_lines(result))
    for number, finding in enumerate(result.findings, 1):
        lines.extend(finding_lines(finding, number))
    lines.extend(Line("not explained", text) for text in result.unexplained)
    lines.extend(variations.variation_lines(result))
    lines.extend(_evidence(result))
    lines.extend(_notices(result))
    lines.append(Line("more", _more(result)))
    return lines


def headline(result: AuditResult) -> Line:
    """Give the verdict in capitals, and what was audited."""
    words, tone = references.headline(result) or variations.headline(result) or HEADLINES[result.verdict]
    if _only_ranks(result):
        words = "RANKS AT FAULT"
    elif result.scope == RANKS and result.verdict is Verdict.REPRODUCIBLE:
        words = "RANKS AGREE"
    return Line(words + _scope(result), " ".join((result.target.name, *result.target.args)), tone)


def _only_ranks(result: AuditResult) -> bool:
    """Say whether the runs are the same, and only the ranks of each of them are not as they should be."""
    return bool(result.findings) and all(finding.cause in RELATIONS for finding in result.findings)


def _scope(result: AuditResult) -> str:
    """Say what the verdict is about, where it does not cover all that was compared."""
    if result.scope == RANKS:
        return " (one launch: nothing is said of another one)"
    if _only_ranks(result):
        return " (the runs are the same)"
    if result.verdict is Verdict.NOT_REPRODUCIBLE and result.training_agrees:
        return " (evaluation only: the training is the same)"
    if result.verdict is Verdict.REPRODUCIBLE and result.scope == TRAINING:
        return " (training only: evaluations were left out of account)"
    return ""


def finding_lines(finding: Finding, number: int) -> Iterator[Line]:
    """Describe one fault: where, why, what was tried, what to change. Later faults take fewer lines."""
    if is_from_reference(finding):
        return _change(finding)
    return _finding(finding) if number == 1 else _further(finding, number)


def _change(finding: Finding) -> Iterator[Line]:
    """Describe a difference from the reference; the change itself says why it is there."""
    yield Line("first difference", within_run(finding.origin))
    yield Line("", finding.message)
    yield from _at(finding)
    if finding.fix is not None:
        yield Line("what to do", finding.fix)
    if finding.affects is not None:
        yield Line("differs after it", _reach(finding.affects))


def _finding(finding: Finding) -> Iterator[Line]:
    if finding.cause in RELATIONS:
        yield Line("between ranks", f"run {finding.origin.run[0]}, {within_run(finding.origin)}")
    else:
        runs = " and ".join(finding.origin.run)
        yield Line("first difference", f"runs {runs}, {within_run(finding.origin)}")
    if finding.cause is None and finding.confirmed:
        yield Line("made by", finding.message)
        yield from _at(finding)
    elif finding.cause is None:
        yield Line("", finding.message)
        yield from _at(finding)
        yield Line("cause", "not diagnosed: the place above says where the runs part, not why")
    else:
        if finding.cause not in RELATIONS:
            yield Line("", f"the {finding.origin.event} differs")
        yield Line("cause", f"{_named(finding)}: {finding.message}")
        yield from _at(finding)
        yield from _proof(finding)
    if finding.fix is not None:
        yield Line("fix to try", finding.fix)
    yield from _reaches(finding)
    if finding.affects is not None and finding.cause not in RELATIONS:
        yield Line("differs after it", _reach(finding.affects))


def _further(finding: Finding, number: int) -> Iterator[Line]:
    """Describe a fault after the first one, in fewer lines."""
    yield Line(f"fault {number}", f"{_named(finding)}: {finding.message}")
    yield from _at(finding)
    yield from _proof(finding)
    if finding.fix is not None:
        yield Line("fix to try", finding.fix)
    yield from _reaches(finding)


def _reaches(finding: Finding) -> Iterator[Line]:
    if finding.scope is FaultScope.EVALUATION:
        yield Line("reaches", "only what is evaluated or shown, not the training")


def _at(finding: Finding) -> Iterator[Line]:
    if finding.site is None:
        return
    yield Line("at", place(finding.site))
    if finding.site.code:
        yield Line("", finding.site.code, Tone.CODE)


def _proof(finding: Finding) -> Iterator[Line]:
    """Say what was held fixed, and how many pairs of runs were equal then."""
    for one in finding.evidence:
        if one.kind is not EvidenceKind.CONTROL or not finding.confirmed:
            continue
        others = one.together_with
        besides = "and nothing else" if not others else "and the other faults' sources, and nothing else"
        equal = f"{one.equal_pairs} of {count(one.pairs or 0, 'pair')} of runs are equal"
        without = f"{one.without_equal_pairs} of {one.without_pairs}"
        yield Line("proof", f"with {one.held} held fixed, {besides}, {equal}; without, {without}")


def _named(finding: Finding) -> str:
    return f"{finding.cause or finding.id}{'' if finding.confirmed else ' (not confirmed)'}"


def _reach(affects: Affected) -> str:
    if not affects.weights and not affects.layers:
        return "nothing that both runs have"
    what = f"{count(affects.weights, 'weight')} and {count(affects.layers, 'module')}"
    if affects.ranks:
        what += f" in rank{'' if affects.ranks.isdecimal() else 's'} {affects.ranks}"
    reached = f"{what}, from step {affects.from_step} on"
    return reached if affects.weights else f"{reached}; no weight was seen to differ"


def _evidence(result: AuditResult) -> Iterator[Line]:
    compared = result.compared
    if compared is None:
        return
    yield Line("compared", f"{_how(result, compared)}, level {compared.level}")
    if result.verdict is Verdict.NOT_REPRODUCIBLE and result.training_agrees:
        yield Line("training", _training(result, compared))
    if result.verdict is not Verdict.REPRODUCIBLE or result.varied:
        return
    yield Line("that excludes", excluded(compared) if result.references else bound_in_words(compared))
    if compared.not_varied:
        yield Line("not varied", ", ".join(compared.not_varied))


def _how(result: AuditResult, compared: Compared) -> str:
    """Say what was compared with what, whether it was equal, and how much was compared."""
    steps = f"{count(compared.steps, 'step')}{_until(result)}"
    if references.headline(result) is not None:
        # The line about the reference counts what was compared.
        return f"{_sides(result)}: {steps}"
    extent = f"{steps}, {count(compared.events, 'event')}"
    if _only_ranks(result):
        return f"{count(len(result.runs), 'run')}, every number the same in all of them: {extent}"
    if result.verdict is not Verdict.REPRODUCIBLE:
        return f"{_rate(result)}: {extent}"
    if result.varied and not all(one.equal for one in result.varied):
        return f"{count(len(result.runs), 'run')}: {extent}"
    numbers = "every number of the training" if result.scope == TRAINING else "every number"
    return f"{count(len(result.runs), 'run')}, {numbers} the same: {extent}"


def _training(result: AuditResult, compared: Compared) -> str:
    """Say what is known of the training where only evaluations differ."""
    steps = f"all {count(compared.steps, 'step')}{_until(result)}"
    return (
        f"the same losses, gradients and weights in {steps}; --scope training asks about the training alone"
    )


def _until(result: AuditResult) -> str:
    """Say where the runs were ended before the training was over."""
    limit = next((run.conditions.get("steps") for run in result.runs), None)
    ended = isinstance(limit, int) and any(run.steps >= limit for run in result.runs)
    return " (--steps ended the runs there)" if ended else ""


def _sides(result: AuditResult) -> str:
    commits = [reference.name for reference in result.references if reference.kind == "commit"]
    if commits:
        return f"the work tree and {' and '.join(commits)}"
    return f"{count(len(result.runs), 'run')} and the lock"


def _rate(result: AuditResult) -> str:
    if not result.findings:
        runs = count(len(result.runs), "run")
        return runs if result.varied else f"{runs}, no pair found to differ"
    rate = result.findings[0].rate
    return f"{rate['differs']} of {count(rate['pairs'], 'pair')} of runs differ"


def bound_in_words(compared: Compared) -> str:
    """Say what a number of equal pairs excludes, and how many runs would exclude more."""
    # Imported late: all verbs load this module, and few of them need what reads traces.
    from detaudit.compare.enough_runs import bound

    pairs = RUNS_SUGGESTED - 1
    if compared.pairs >= pairs:
        return excluded(compared)
    share = 1 - bound(pairs)["agreement_at_least"]
    return f"{excluded(compared)} (--runs {RUNS_SUGGESTED} would exclude more than {share:.0%})"


def excluded(compared: Compared) -> str:
    """Say how rare a fault must be to have stayed hidden."""
    confidence, share = compared.bound["confidence"], 1 - compared.bound["agreement_at_least"]
    return (
        f"a fault that shows in more than {share:.0%} of pairs of runs (with {confidence:.0%} confidence); "
        "a rarer fault is possible"
    )


def _notices(result: AuditResult) -> Iterator[Line]:
    yield from (Line("by rank", notice.message) for notice in result.notices if notice.id == BY_RANK)
    notices = [one for one in result.notices if one.id not in references.TOLD and one.id != BY_RANK]
    for notice in notices[:MOST_NOTICES]:
        first, *rest = notice.message.splitlines()
        yield Line("notice", first)
        yield from (Line("", line, Tone.CODE) for line in rest[-MOST_OUTPUT:])
    left = len(notices) - MOST_NOTICES
    if left > 0:
        yield Line("", f"and {count(left, 'more notice')}, in the JSON result")


def _more(result: AuditResult) -> str:
    if result.target.kind == "trace":
        return "--json FILE writes everything that was found"
    if result.verdict is Verdict.REPRODUCIBLE:
        return "--json FILE writes everything that was recorded about the runs"
    found = [finding.cause or finding.id for finding in result.findings]
    explained = [label for label in found if label in labels()]
    if explained:
        return f"detaudit explain {explained[0]}; --json FILE writes everything that was found"
    return "--json FILE writes everything that was found; --keep FOLDER keeps the traces and the runs' output"
