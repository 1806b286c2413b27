"""Find the source that lets an axis reach numbers which it must not reach, by holding the source fixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from detaudit.diagnose.case import Case
from detaudit.diagnose.diagnosis import diagnose
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.trials import Laboratory
from detaudit.diagnose.zoom import Closer, look_closer
from detaudit.model.cause import Cause
from detaudit.model.ledger import LedgerEntry
from detaudit.model.result import Comparison, DivergenceKind, Finding, Notice
from detaudit.model.trace import Kind, Phase
from detaudit.run.runs import Runs
from detaudit.sources import variables
from detaudit.vary.axis_syntax import differing
from detaudit.vary.drift import DRAWING, find_drift
from detaudit.vary.effect import variables_on, watching
from detaudit.vary.experiment import Run

COPIES = (
    "what the loader gives depends on the number of its workers: each has a copy of the dataset, with a "
    "state of its own"
)
FIX_OF_COPIES = (
    "keep no state in the dataset that changes from sample to sample; let an IterableDataset divide its "
    "samples by torch.utils.data.get_worker_info()"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """The results of examining a difference that must not be."""

    findings: tuple[Finding, ...]
    unexplained: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    is_arithmetic: bool = False
    """True if an operator makes it from the same inputs: the arithmetic differs, not the program."""


def is_other_data(comparison: Comparison) -> bool:
    """Say whether runs part before any arithmetic of the model: by another batch, weight or course."""
    first = comparison.first
    if first is None:
        return False
    place = first.event.place
    return (
        first.kind is DivergenceKind.STRUCTURE
        or place.phase in {Phase.INIT, Phase.DATA}
        or place.kind in {Kind.BATCH, Kind.INPUT}
    )


def find_source(first: Run, second: Run, comparison: Comparison, runs: Runs, *, may_round: bool) -> Fault:
    """Look closer, then hold one source after the other fixed in both runs, until they are equal.

    `may_round`: a difference that an operator makes from equal inputs is arithmetic, and not searched for.
    """
    plan = replace(first.plan, runs=2, then_axes=second.plan.axes, draws=None)
    case = Case(plan, runs, steady=True)
    parting = Parting(comparison, 1, 1)
    axes = differing(first.conditions, second.conditions)
    closer = look_closer(case, parting, None, watching(variables_on(axes)))
    if may_round and _is_arithmetic(closer):
        return Fault((closer.parting.finding(),), is_arithmetic=True)
    drift = find_drift(Laboratory(case, "drift"), closer, (first.reader, second.reader))
    if drift is not None:
        return Fault((_in_these_words(drift, first, second),))
    readers = {first.name: first.reader, second.name: second.reader}
    diagnosis = diagnose(case, closer, comparison, readers)
    findings = diagnosis.findings
    if not any(one.cause for one in findings):
        findings = tuple(_by_variable(one, closer, axes) for one in findings)
    told = tuple(_in_these_words(one, first, second) for one in findings)
    if any(one.cause for one in findings):
        return Fault(told)
    return Fault(told, diagnosis.unexplained, closer.notices)


def _is_arithmetic(closer: Closer) -> bool:
    fine = closer.comparison
    if (
        fine is None
        or fine.first is None
        or fine.first.event.place.kind is not Kind.OP
        or not fine.first.origin
    ):
        return False
    drawn = (pair for pair in closer.ledgers if pair.entry.act in DRAWING and pair.differs)
    return not any(pair.entry.step <= fine.first.step for pair in drawn)


def _in_these_words(finding: Finding, first: Run, second: Run) -> Finding:
    """Say of which two runs it is the fault."""
    if finding.cause is Cause.WORKER_ORDER:
        # Each side repeats itself: it is not timing that decides.
        finding = replace(finding, message=COPIES, fix=FIX_OF_COPIES)
    return replace(
        finding, message=f"with {second.name}, other numbers than with {first.name}: {finding.message}"
    )


def _by_variable(finding: Finding, closer: Closer, axes: tuple[str, ...]) -> Finding:
    """Find the line that reads an environment variable which differs, where no source explains it."""
    names = variables_on(axes)
    if not names:
        return finding
    entry = next(_reads(closer), None)
    site = finding.site if entry is None else entry.site
    others = [one for one in (finding.site, *finding.other_sites) if one not in {None, site}]
    symbol = f"os.environ[{min(names)!r}]" if entry is None else entry.operation
    return replace(
        finding,
        id=Cause.ENV_DEPENDENCE,
        cause=Cause.ENV_DEPENDENCE,
        # Under each value a second run was the same: the variable alone makes the difference.
        confirmed=True,
        site=site,
        symbol=symbol,
        message=f"what the program reads from {' and '.join(sorted(names))} reaches the numbers",
        other_sites=tuple(one for one in others if one is not None),
        fix=Cause.ENV_DEPENDENCE.fix,
    )


def _reads(closer: Closer) -> Iterator[LedgerEntry]:
    entries = (pair.entry for pair in closer.ledgers)
    return (one for one in entries if one.source == variables.NAME and one.site is not None)
