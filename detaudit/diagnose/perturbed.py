"""From a change that changes the numbers to a finding: cause, line and words."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detaudit.compare.result import finding_from
from detaudit.diagnose.suspects import before, pair_ledgers
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.ledger import LedgerEntry
from detaudit.model.result import Comparison, Finding
from detaudit.sources.changes import ChangeSeen
from detaudit.sources.source import Perturbation, Source
from detaudit.trace.reader import TraceReader


@dataclass(frozen=True, slots=True)
class Change:
    """One change under which the numbers were not the same."""

    source: Source
    perturbation: Perturbation
    comparison: Comparison
    """Run 1 and the run under the change."""
    watched: TraceReader
    """A run without a change that has a ledger."""
    reader: TraceReader
    plain: int
    """Plain runs that are equal."""
    closer: TraceReader | None = None
    """A run under the change with operators, if one was made."""


def name_change(change: Change, *, followed: bool) -> Finding:
    """Make the finding; `followed` says whether a second run under the same change differed too."""
    differs = 1 + followed
    finding = finding_from(change.comparison, differs=differs, pairs=2)
    cause, entry = _named(change)
    site = entry.site if entry is not None else finding.site
    symbol = entry.operation if entry is not None else finding.symbol
    others = () if finding.site in {None, site} else (finding.site,)
    changed = {
        "perturbed": change.source.name,
        "amount": change.perturbation.words,
        "different_pairs": differs,
        "equal_plain_runs": change.plain,
    }
    evidence = Evidence(EvidenceKind.PERTURBATION, pairs=2, details=changed)
    return replace(
        finding,
        id=cause,
        cause=cause,
        confirmed=followed,
        evidence=(evidence,),
        site=site,
        other_sites=tuple(dict.fromkeys(one for one in (*others, *finding.other_sites) if one is not None)),
        symbol=symbol,
        message=f"{_words(change)}: {finding.message}",
        fix=cause.fix,
    )


def _words(change: Change) -> str:
    step = change.comparison.first.step if change.comparison.first is not None else 0
    changed = f"with {change.perturbation.words}, the run differs from step {step} on"
    return f"{change.plain} plain runs are equal; {changed}"


def _named(change: Change) -> tuple[Cause, LedgerEntry | None]:
    """Give the cause, and the entry of the ledger with the line."""
    first, source = change.comparison.first, change.source
    pairs = pair_ledgers(change.watched, change.reader)
    pairs = pairs if first is None else before(pairs, first)
    closer = () if change.closer is None else tuple(pair_ledgers(change.closer, change.closer))
    return source.name_change(ChangeSeen(source.name, source.causes[0], first, tuple(pairs), closer))
