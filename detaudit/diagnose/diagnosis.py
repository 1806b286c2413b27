"""Why runs differ: from the first difference to findings, each with its cause, its evidence and its fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from detaudit.compare.ledgers import EntryPair
from detaudit.compare.result import numbered
from detaudit.diagnose.case import Case
from detaudit.diagnose.causes import name_fault
from detaudit.diagnose.naming import Naming, drawn_more
from detaudit.diagnose.search import Fault, Search
from detaudit.diagnose.suspects import GENERATORS, is_seed
from detaudit.diagnose.trials import Laboratory
from detaudit.diagnose.zoom import Closer, value_of
from detaudit.model.result import Comparison, DivergenceKind, Finding, Notice
from detaudit.model.trace import Site
from detaudit.sources import clock, threads
from detaudit.sources.catalogue import BY_NAME
from detaudit.sources.fixes import fix_for
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader

SHORTEST_TICK, LONGEST_TICK = 1e-5, 1.0
TIMES_AS_LONG = 4
"""How much longer than in a plain run a thread may take that runs alone, recorded with a ledger."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a search came to."""

    findings: tuple[Finding, ...]
    unexplained: tuple[str, ...] = ()


def diagnose(
    case: Case, closer: Closer, comparison: Comparison, readers: Mapping[str, TraceReader]
) -> Diagnosis:
    """Find why runs differ, by holding one source after the other fixed.

    `closer` is the first difference, looked at closely; `readers` are the traces of the first runs.
    """
    amounts = {clock.NAME: _tick(closer.ledgers, readers), threads.NAME: _patience(readers)}
    search = Search(Laboratory(case), amounts)
    differing, pairs = _rate(closer, comparison, readers)
    search.run(closer, comparison, differing, pairs)
    if not search.faults:
        return Diagnosis((closer.finding,), tuple(dict.fromkeys(search.failures)))
    findings = [_finding(fault, search) for fault in search.faults]
    unexplained = () if search.settled is not None else tuple(dict.fromkeys(search.failures))
    return Diagnosis(tuple(numbered(findings)), unexplained)


def draw_notices(pairs: tuple[EntryPair, ...]) -> tuple[Notice, ...]:
    """The first draw of random numbers that one run makes more often than the other, if there is one."""
    more = [pair for pair in pairs if pair.entry.source in GENERATORS and pair.count_differs]
    drawn = [pair for pair in more if not is_seed(pair.entry)]
    first = min(drawn, key=lambda pair: (pair.entry.step, pair.entry.sequence), default=None)
    return () if first is None else (Notice("draws-differ", drawn_more(first)),)


def _tick(pairs: tuple[EntryPair, ...], readers: Mapping[str, TraceReader]) -> str:
    """Seconds from one reading of the clock to the next, on average: at this pace the held clock goes.

    The ledgers may end behind the first steps: the readings of a whole run are more in proportion.
    """
    readings = sum(pair.entry.count for pair in pairs if pair.entry.source == clock.NAME)
    steps = max((steps_completed(reader) for reader in readers.values()), default=0)
    noted = max((pair.entry.step for pair in pairs), default=0) + 1
    seconds = min((reader.info.seconds or 1.0 for reader in readers.values()), default=1.0)
    expected = max(1.0, readings * max(1.0, steps / noted))
    return repr(max(SHORTEST_TICK, min(LONGEST_TICK, seconds / 2 / expected)))


def _patience(readers: Mapping[str, TraceReader]) -> str:
    """Seconds that a thread may take when it runs alone: some times as long as a whole run has taken."""
    seconds = max((reader.info.seconds or 0.0 for reader in readers.values()), default=0.0)
    return repr(max(threads.PATIENCE, TIMES_AS_LONG * seconds))


def _rate(closer: Closer, comparison: Comparison, readers: Mapping[str, TraceReader]) -> tuple[int, int]:
    """How many pairs of all runs so far differ in the place where the first two part."""
    first = comparison.first
    rate = closer.finding.rate
    # Where the runs have other conditions, only pairs across them say anything.
    across = closer.finding.origin.run != ("1", "2")
    if across or first is None or first.kind is not DivergenceKind.VALUE:
        return rate["differs"], rate["pairs"]
    values = [value_of(reader, first) for reader in readers.values()]
    values += closer.values
    seen = [value for value in values if value is not None]
    pairs = list(combinations(seen, 2))
    if len(pairs) < rate["pairs"]:
        return rate["differs"], rate["pairs"]
    return sum(one != other for one, other in pairs), len(pairs)


def _finding(fault: Fault, search: Search) -> Finding:
    settled = search.settled
    naming = name_fault(fault, () if settled is None else settled.ledgers)
    evidence: dict[str, object] = {
        "control": fault.source,
        "held": BY_NAME[fault.source].words,
        "equal_pairs": 0 if settled is None else settled.equal,
        "pairs": 0 if settled is None else settled.pairs,
        "without_equal_pairs": fault.without[0],
        "without_pairs": fault.without[1],
        "together_with": [one.source for one in search.faults if one is not fault],
    }
    return replace(
        fault.closer.finding,
        id=naming.cause,
        cause=naming.cause,
        confirmed=settled is not None,
        evidence=(evidence,),
        site=naming.site or fault.closer.finding.site,
        other_sites=_others(naming, fault),
        symbol=naming.symbol,
        message=naming.message,
        fix=fix_for(naming.cause, naming.symbol),
    )


def _others(naming: Naming, fault: Fault) -> tuple[Site, ...]:
    shown = (*naming.others, fault.closer.finding.site)
    return tuple(dict.fromkeys(site for site in shown if site is not None and site != naming.site))
