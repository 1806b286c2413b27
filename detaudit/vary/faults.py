"""Find the source, or the shifted random stream, that lets an axis reach numbers which it must not reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from detaudit.diagnose.case import Case
from detaudit.diagnose.diagnosis import diagnose
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.trials import Laboratory, SourceTrial
from detaudit.diagnose.zoom import Closer, look_closer
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.ledger import Act, EntryPair, LedgerEntry
from detaudit.model.plan import Intervention
from detaudit.model.result import Comparison, DivergenceKind, Finding, Notice
from detaudit.model.trace import Kind, Phase
from detaudit.run.runs import Runs
from detaudit.sources import item_draws, line_draws, variables
from detaudit.sources.catalogue import BY_NAME
from detaudit.sources.observation import Naming
from detaudit.trace.data import read_iterations
from detaudit.trace.reader import TraceReader
from detaudit.vary.axis_syntax import differing
from detaudit.vary.effect import variables_on, watching
from detaudit.vary.experiment import Run

COPIES = (
    "what the loader gives depends on the number of its workers: each worker has a copy of the dataset, "
    "with a state of its own"
)
FIX_OF_COPIES = (
    "keep no state in the dataset that changes from sample to sample; let an IterableDataset divide its "
    "samples by torch.utils.data.get_worker_info()"
)

CAUSE = Cause.RNG_DRIFT
DRAWING = frozenset({Act.DRAWS, Act.SEEDS_BY_SYSTEM})
PAIRS = 2
"""Pairs of runs that must be equal with a stream held: along an axis, runs differ each time or never."""
FIX_OF_ITEMS = (
    "draw the random numbers from a generator that is seeded for each sample: "
    "torch.Generator().manual_seed(hash of (seed, epoch, index))"
)
FIX_OF_LINES = (
    "give this line a generator of its own: generator=torch.Generator() for a DataLoader or a sampler, "
    "torch.random.fork_rng() around anything else"
)
WORKERS = "DataLoader(num_workers)"


@dataclass(frozen=True, slots=True)
class AxisFault:
    """The results of examining a difference that must not be."""

    findings: tuple[Finding, ...]
    unexplained: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    is_arithmetic: bool = False
    """True if an operator makes the difference from equal inputs: the arithmetic differs, not the program."""


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


def find_source(first: Run, second: Run, comparison: Comparison, runs: Runs, *, may_round: bool) -> AxisFault:
    """Look closer, then hold one source after the other fixed in both runs, until they are equal.

    `may_round`: a difference that an operator makes from equal inputs is arithmetic, and not searched for.
    """
    plan = replace(first.plan, runs=2, then_axes=second.plan.axes, draws=None)
    case = Case(plan, runs, steady=True)
    parting = Parting(comparison, 1, 1)
    axes = differing(first.conditions, second.conditions)
    closer = look_closer(case, parting, None, watching(variables_on(axes)))
    if may_round and _is_arithmetic(closer):
        return AxisFault((closer.parting.finding(),), is_arithmetic=True)
    drift = find_drift(Laboratory(case, "drift"), closer, (first.reader, second.reader))
    if drift is not None:
        return AxisFault((_in_these_words(drift, first, second),))
    readers = {first.name: first.reader, second.name: second.reader}
    diagnosis = diagnose(case, closer, comparison, readers)
    findings = diagnosis.findings
    if not any(one.cause for one in findings):
        findings = tuple(_by_variable(one, closer, axes) for one in findings)
    told = tuple(_in_these_words(one, first, second) for one in findings)
    if any(one.cause for one in findings):
        return AxisFault(told)
    return AxisFault(told, diagnosis.unexplained, closer.notices)


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
        message=f"the value that the program reads from {' and '.join(sorted(names))} reaches the numbers",
        other_sites=tuple(one for one in others if one is not None),
        fix=Cause.ENV_DEPENDENCE.fix,
    )


def _reads(closer: Closer) -> Iterator[LedgerEntry]:
    entries = (pair.entry for pair in closer.ledgers)
    return (one for one in entries if one.source == variables.NAME and one.site is not None)


@dataclass(frozen=True, slots=True)
class _Suspected:
    """A stream that may be what differs, and how it is held."""

    held: Intervention
    entry: LedgerEntry
    symbol: str
    words: str
    fix: str


def find_drift(
    laboratory: Laboratory, closer: Closer, readers: tuple[TraceReader, TraceReader]
) -> Finding | None:
    """Hold the random streams that are not the same in both runs; the finding if the runs are equal then."""
    for suspected in _suspected(closer, readers):
        trial = laboratory.hold((suspected.held,), PAIRS)
        if trial.settled:
            return _finding(closer, suspected, trial)
    return None


def _suspected(closer: Closer, readers: tuple[TraceReader, TraceReader]) -> Iterator[_Suspected]:
    draws = [pair for pair in closer.ledgers if pair.entry.act in DRAWING]
    if closer.parting.origin.phase == Phase.DATA and _workers(readers[0]) != _workers(readers[1]):
        by_item = [pair.entry for pair in draws if pair.stream != "main" and pair.entry.site is not None]
        if by_item:
            yield _items(min(by_item, key=_order))
    yield from _lines(draws)


def _items(entry: LedgerEntry) -> _Suspected:
    """Suspect draws for samples, where each worker draws from a stream of its own."""
    words = (
        f"{entry.operation} draws for a sample from the generator of the process that makes the sample, and "
        "the number of workers decides which process that is"
    )
    return _Suspected(Intervention(item_draws.NAME), entry, WORKERS, words, FIX_OF_ITEMS)


def _lines(draws: list[EntryPair]) -> Iterator[_Suspected]:
    """Lines that draw more often in one run, all together: what they draw is to shift nothing else."""
    counted = [one for one in _by_line(draws).values() if one.amounts[0] != one.amounts[1]]
    if not counted:
        return
    first = min(counted, key=lambda one: _order(one.entry))
    sites = tuple(sorted({one.entry.site_key.hex() for one in counted}))
    ours, theirs = first.amounts
    words = (
        f"{first.entry.operation} draws {ours} random numbers in one run and {theirs} in the other by step "
        f"{max(pair.entry.step for pair in draws)}, which shifts all later draws"
    )
    held = Intervention(line_draws.NAME, sites)
    yield _Suspected(held, first.entry, first.entry.operation, words, FIX_OF_LINES)


@dataclass(slots=True)
class _LineDraws:
    """The draws of one line from a global generator in both runs."""

    entry: LedgerEntry
    """The first entry of the stream."""
    amounts: list[int]


def _by_line(draws: list[EntryPair]) -> dict[tuple[str, str, bytes], _LineDraws]:
    """Count over steps and phases: a pass more moves what comes after it to others of them."""
    found: dict[tuple[str, str, bytes], _LineDraws] = {}
    for pair in draws:
        entry = pair.entry
        if not entry.draws_or_seeds_globally or entry.site is None:
            continue
        line = found.setdefault((entry.source, entry.operation, entry.site_key), _LineDraws(entry, [0, 0]))
        for side, one in enumerate((pair.first, pair.second)):
            line.amounts[side] += 0 if one is None else one.amount
    return found


def _finding(closer: Closer, suspected: _Suspected, trial: SourceTrial) -> Finding:
    entry = suspected.entry
    evidence = Evidence(
        EvidenceKind.CONTROL,
        control=suspected.held.source,
        held=BY_NAME[suspected.held.source].words,
        equal_pairs=trial.equal,
        pairs=trial.pairs,
        without_equal_pairs=0,
        without_pairs=closer.parting.pairs,
    )
    others = closer.parting.other_sites
    naming = Naming(CAUSE, entry.site, suspected.symbol, suspected.words, others, suspected.fix)
    return closer.parting.finding(naming, (evidence,), confirmed=True)


def _workers(reader: TraceReader) -> list[int]:
    return [one.workers for stream in reader.streams for one in read_iterations(reader, stream.id)]


def _order(entry: LedgerEntry) -> tuple[int, int]:
    return entry.step, entry.sequence
