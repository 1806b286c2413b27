"""Say in lines how a run stands to a lock, or to another commit."""

from __future__ import annotations

from collections.abc import Iterator

from detaudit.model.result import AuditResult, Finding, ReferenceComparison, ReferenceState, Verdict
from detaudit.pages.page import labels
from detaudit.report.lines import Line, Tone, count, within_run

KINDS = {"lock": "lock", "commit": "against"}
"""The label of the line about a reference, by its kind."""

FINDINGS = frozenset(f"differs-from-{kind}" for kind in KINDS)
"""Names of the findings that say: the runs repeat themselves, but differ from the reference."""

DIFFERENCE = "difference"

TOLD = frozenset({"within-tolerance"})
"""Notices that only repeat the line about the reference."""

SAME = {
    ReferenceState.EQUAL: "UNCHANGED",
    ReferenceState.WITHIN_TOLERANCE: "UNCHANGED WITHIN TOLERANCE",
}
"""The headline of a run that agrees with its reference, the best state first."""

SHORT_HASH = 7
MOST_LAYERS = 5


def is_from_reference(finding: Finding) -> bool:
    """Say whether a finding is a difference from a reference."""
    return finding.cause is None and finding.id in FINDINGS


def has_changed(result: AuditResult) -> bool:
    """Say whether differences from a reference are all that was found."""
    states = {reference.state for reference in result.references}
    if result.verdict is not Verdict.NOT_REPRODUCIBLE or ReferenceState.DIFFERS not in states:
        return False
    return all(is_from_reference(finding) for finding in result.findings)


def rule_of(result: AuditResult, finding: Finding | None) -> str:
    """Name the rule of a fault: its cause, its finding if that has a page, or the unmet reference.

    Gives `difference` for a fault with none of these.
    """
    if finding is not None and finding.cause is not None:
        return finding.cause
    if finding is None:
        unmet = [one.kind for one in result.references if one.state is ReferenceState.DIFFERS]
        return f"differs-from-{unmet[0]}" if unmet else DIFFERENCE
    return finding.id if is_from_reference(finding) or finding.id in labels() else DIFFERENCE


def headline(result: AuditResult) -> tuple[str, Tone] | None:
    """Word the verdict for a comparison with a reference; None where no reference is to be mentioned."""
    if has_changed(result):
        return "CHANGED", Tone.BAD
    states = {reference.state for reference in result.references}
    if result.verdict is not Verdict.REPRODUCIBLE or not states or not states <= SAME.keys():
        return None
    # Not the same bits in one of several is not the same bits.
    return SAME[max(states, key=list(SAME).index)], Tone.GOOD


def reference_lines(result: AuditResult) -> Iterator[Line]:
    """Say how the run stands to each reference, and what has changed since."""
    for reference in result.references:
        if reference.state is ReferenceState.NOT_COMPARABLE and result.reason is not None:
            # The reason has said it.
            continue
        yield Line(KINDS[reference.kind], f"{_named(reference)}: {_standing(reference)}")
        if reference.state is ReferenceState.DIFFERS:
            yield from _difference(reference, told=bool(result.findings))


def _difference(reference: ReferenceComparison, *, told: bool) -> Iterator[Line]:
    """List the lines changed since the reference, and the first difference unless a finding tells that."""
    if reference.changed:
        yield Line("changed since", ", ".join(reference.changed))
    if reference.first is not None and not told:
        yield Line("first difference", f"{within_run(reference.first)}: the {reference.first.event}")


def _named(reference: ReferenceComparison) -> str:
    if reference.kind == "commit" and reference.commit and not reference.commit.startswith(reference.name):
        return f"{reference.name} ({reference.commit[:SHORT_HASH]})"
    return reference.name


def _standing(reference: ReferenceComparison) -> str:
    match reference.state:
        case ReferenceState.EQUAL:
            return f"the same bits in {_all_things(reference.compared)}"
        case ReferenceState.WITHIN_TOLERANCE:
            extent = _extent(reference) + _environments(reference)
            return f"the same within the tolerance of {reference.tolerance or 0.0:.2g}: {extent}"
        case ReferenceState.DIFFERS:
            return f"{_kind_of_difference(reference)}; {_extent(reference)}"
        case ReferenceState.NOT_COMPARABLE:
            return "not comparable" + _environments(reference)


def _all_things(number: int) -> str:
    return f"all {number} things that were compared" if number > 1 else count(number, "thing")


def _kind_of_difference(reference: ReferenceComparison) -> str:
    if reference.difference != "structural":
        return "numeric difference"
    sides = (("only here", reference.only_here), ("only there", reference.only_there))
    named = "; ".join(f"{side}: {_listed(layers)}" for side, layers in sides if layers)
    return f"structural difference; {named}" if named else "structural difference"


def _listed(layers: tuple[str, ...]) -> str:
    left = len(layers) - MOST_LAYERS
    return ", ".join(layers[:MOST_LAYERS]) + (f" and {left} more" if left > 0 else "")


def _extent(reference: ReferenceComparison) -> str:
    verb = "differs" if reference.differing == 1 else "differ"
    things = f"{reference.differing} of {count(reference.compared, 'thing')} {verb}"
    if reference.relative is None:
        return things
    return f"{things}, by about {reference.relative:.2g} at most (relative)"


def _environments(reference: ReferenceComparison) -> str:
    parts = [
        f"; {name} {ours} here, {theirs} there" for name, (theirs, ours) in reference.environment.items()
    ]
    return "".join(parts)
