"""Find out why runs differ: from the first difference to findings with cause, line, evidence and fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from detaudit.compare.result import numbered
from detaudit.diagnose.case import Case
from detaudit.diagnose.kernels import KernelEvidence, brief, evidence_dict, explain_kernel
from detaudit.diagnose.search import Search, SourceFault, enough_steps, moved, name_of
from detaudit.diagnose.trials import Laboratory, SourceTrial, needed
from detaudit.diagnose.zoom import Closer, values_of
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.ledger import Act, EntryPair
from detaudit.model.result import Comparison, DivergenceKind, Finding, Notice
from detaudit.model.trace import Site
from detaudit.sources.catalogue import BY_NAME, SOURCES
from detaudit.sources.observation import Naming, drawn_more
from detaudit.sources.source import Pace
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader

MOST_LINES = 24
"""The most lines among which the guilty line is searched: with more lines, the search would cost more runs
than its answer is worth."""
IS_IT_THIS_LINE = "is it this line?"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of a search for causes."""

    findings: tuple[Finding, ...]
    unexplained: tuple[str, ...] = ()


def diagnose(
    case: Case, closer: Closer, comparison: Comparison, readers: Mapping[str, TraceReader]
) -> Diagnosis:
    """Find why runs differ, by holding one source after the other fixed.

    `closer` is the first difference, looked at closely; `readers` are the traces of the first runs.
    """
    pace = _pace(closer.ledgers, readers)
    amounts = {one.name: one.amount(pace) for one in SOURCES if one.amount is not None}
    search = Search(Laboratory(case), amounts)
    differing, pairs = _rate(closer, comparison, readers)
    search.run(closer, comparison, differing, pairs)
    if search.settled is not None:
        for fault in list(search.faults):
            prove_line(search, fault)
    unexplained = () if search.settled is not None else (*dict.fromkeys(search.failures), *_excluded(search))
    if not search.faults:
        return Diagnosis((closer.parting.finding(),), unexplained)
    findings = list(_findings(search))
    return Diagnosis(tuple(numbered(findings)), unexplained)


def _excluded(search: Search) -> Iterator[str]:
    """Say which sources cannot be all of the cause: the runs differ with each of them held fixed."""
    trials = [one for one in search.laboratory.trials if one.failed is None and one.different is not None]
    alone = {one.held[0].source for one in trials if len(one.held) == 1}
    guilty = {fault.source.name for fault in search.faults}
    words = [BY_NAME[name].words for name in sorted(alone - guilty)]
    if words:
        yield f"excluded, since the runs still differ with each of them held fixed: {'; '.join(words)}"


def draw_notices(pairs: tuple[EntryPair, ...]) -> tuple[Notice, ...]:
    """Report the first draw of random numbers that one run makes more often than the other, if any."""
    drawn = [pair for pair in pairs if pair.entry.act is Act.DRAWS and pair.count_differs]
    first = min(drawn, key=lambda pair: pair.entry.position, default=None)
    return () if first is None else (Notice("draws-differ", drawn_more(first)),)


def _pace(pairs: tuple[EntryPair, ...], readers: Mapping[str, TraceReader]) -> Pace:
    seconds = [reader.info.seconds or 1.0 for reader in readers.values()]
    steps = max((steps_completed(reader) for reader in readers.values()), default=0)
    return Pace(max(seconds, default=1.0), min(seconds, default=1.0), steps, pairs)


def _rate(closer: Closer, comparison: Comparison, readers: Mapping[str, TraceReader]) -> tuple[int, int]:
    """Count the pairs of all runs so far that differ: where the first two part, or in the last step."""
    first = comparison.first
    rate = closer.parting.rate
    # Where the runs have other conditions, only pairs across them say anything.
    across = closer.parting.origin.run != ("1", "2")
    if across or first is None or first.kind is not DivergenceKind.VALUE:
        return rate["differs"], rate["pairs"]
    values = [*values_of(readers.values(), first, closer.window), *closer.values]
    counts = [_differing([one.there for one in values])]
    if not closer.notices:
        # A notice says that looking at operators may itself have changed what comes later.
        counts.append(_differing([one.last for one in values]))
    # A trial's runs are compared as a whole, so that a pair counts which differs anywhere.
    differing, pairs = max(counts, key=lambda count: (count[1], count[0]))
    return (differing, pairs) if pairs >= rate["pairs"] else (rate["differs"], rate["pairs"])


def _differing(values: list[bytes | None]) -> tuple[int, int]:
    """Count the pairs of runs with other values, and all pairs, of the runs that have a value."""
    pairs = list(combinations([value for value in values if value is not None], 2))
    return sum(one != other for one, other in pairs), len(pairs)


def _findings(search: Search) -> Iterator[Finding]:
    """Name every fault; one seed that is made of several sources is one fault."""
    whole = () if search.settled is None else search.settled.ledgers
    named = [(fault, name_of(fault, whole)) for fault in search.faults]
    mentioned = set[Site]()
    for fault, naming in named:
        if naming.seed in mentioned:
            continue
        if naming.seed is not None:
            mentioned.add(naming.seed)
        same = [one.symbol for _, one in named if naming.seed is not None and one.seed == naming.seed]
        others = [symbol for symbol in same if symbol and symbol != naming.symbol]
        words = (
            f"{naming.message}; {' and '.join(others)} also takes part in it" if others else naming.message
        )
        yield _finding(fault, replace(naming, message=words), search)


def _finding(fault: SourceFault, naming: Naming, search: Search) -> Finding:
    settled = search.settled
    evidence = Evidence(
        EvidenceKind.CONTROL,
        control=fault.source.name,
        held=fault.source.words,
        equal_pairs=0 if settled is None else settled.equal,
        pairs=0 if settled is None else settled.pairs,
        without_equal_pairs=fault.without[0],
        without_pairs=fault.without[1],
        together_with=tuple(one.source.name for one in search.faults if one is not fault),
    )
    return fault.closer.parting.finding(naming, (evidence,), confirmed=settled is not None)


def prove_line(search: Search, fault: SourceFault) -> None:
    """Keep only the lines of a fault that are needed for it, where several lines come into question.

    The line that would be named is tried first. Where the runs differ with it held, and with all others held,
    several lines are at fault, and each becomes a fault of its own. Where lines explain nothing, all stay.
    """
    keys = list(dict.fromkeys(pair.entry.site_key for pair in fault.pairs if pair.entry.site is not None))
    if not fault.source.held_by_line or not 1 < len(keys) <= MOST_LINES:
        return
    likely = fault.likely_line()
    ordered = [*(key for key in keys if key == likely), *(key for key in reversed(keys) if key != likely)]

    def hold(lines: Sequence[bytes], why: str) -> SourceTrial:
        return search.hold_lines(fault, lines, why, enough_steps(fault.comparison))

    if _explains(hold(ordered[:1], IS_IT_THIS_LINE), fault):
        fault.keep_lines(ordered[:1])
        return
    rest = ordered[1:]
    if _explains(hold(rest, "is it one of the other lines?"), fault):
        fault.keep_lines(needed(rest, hold))
    elif hold(ordered, "are several of the lines at fault?").settled:
        guilty = needed(ordered, hold)
        fault.keep_lines(guilty)
        search.divide(fault, guilty)


def _explains(trial: SourceTrial, fault: SourceFault) -> bool:
    """Say whether the runs are equal or part later: then the line had a part in the first difference."""
    if trial.failed is not None:
        return False
    first = fault.comparison.first
    return trial.different is None or moved(first, trial.different.first)


def elaborate(case: Case, diagnosis: Diagnosis, repro: Path | None = None) -> Diagnosis:
    """Replay the operators that are at fault alone; write scripts that show it to the folder `repro`.

    Costs a run for each of them. Raises OutputError if `repro` cannot be written to.
    """
    findings = tuple(_elaborated(case, finding, repro) for finding in diagnosis.findings)
    return replace(diagnosis, findings=findings)


def _elaborated(case: Case, finding: Finding, repro: Path | None) -> Finding:
    if finding.cause is not Cause.NONDETERMINISTIC_OP:
        return finding
    kernel = explain_kernel(case, finding, repro)
    return finding if kernel is None else with_replay(finding, kernel)


def with_replay(finding: Finding, kernel: KernelEvidence) -> Finding:
    """Put what the replays of an operator gave into the finding that names it."""
    return replace(
        finding,
        evidence=(*finding.evidence, Evidence(EvidenceKind.REPLAY, details=evidence_dict(kernel))),
        message=f"{finding.message}; {brief(kernel)}",
        fix=kernel.alternative if kernel.differs else finding.fix,
    )
