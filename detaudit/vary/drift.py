"""Find random streams that an axis shifts: by a line that draws more often, or by workers' draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detaudit.diagnose.trials import Laboratory, Trial
from detaudit.diagnose.zoom import Closer
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.ledger import Act, EntryPair, LedgerEntry
from detaudit.model.plan import Intervention
from detaudit.model.result import Finding
from detaudit.model.trace import Phase
from detaudit.sources import item_draws, line_draws
from detaudit.sources.catalogue import BY_NAME
from detaudit.sources.observation import Naming
from detaudit.trace.data import read_iterations
from detaudit.trace.reader import TraceReader

CAUSE = Cause.RNG_DRIFT
DRAWING = frozenset({Act.DRAWS, Act.SEEDS_BY_SYSTEM})
PAIRS = 2
"""Pairs of runs that must be equal with a stream held: along an axis, runs differ each time or never."""
FIX_OF_ITEMS = (
    "draw them from a generator that is seeded for each sample: "
    "torch.Generator().manual_seed(hash of (seed, epoch, index))"
)
FIX_OF_LINES = (
    "give it a generator of its own: generator=torch.Generator() for a DataLoader or a sampler, "
    "torch.random.fork_rng() around anything else"
)
WORKERS = "DataLoader(num_workers)"


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
        f"{entry.operation} draws for a sample from the stream of whichever process makes it, and how many "
        "workers there are decides which"
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
        f"{max(pair.entry.step for pair in draws)}, which shifts all that is drawn later"
    )
    held = Intervention(line_draws.NAME, sites)
    yield _Suspected(held, first.entry, first.entry.operation, words, FIX_OF_LINES)


@dataclass(slots=True)
class _Line:
    """The draws of one line from a global generator in both runs."""

    entry: LedgerEntry
    """Its first entry."""
    amounts: list[int]


def _by_line(draws: list[EntryPair]) -> dict[tuple[str, str, bytes], _Line]:
    """Count over steps and phases: a pass more moves what comes after it to others of them."""
    found: dict[tuple[str, str, bytes], _Line] = {}
    for pair in draws:
        entry = pair.entry
        if not entry.draws_or_seeds_globally or entry.site is None:
            continue
        line = found.setdefault((entry.source, entry.operation, entry.site_key), _Line(entry, [0, 0]))
        for side, one in enumerate((pair.first, pair.second)):
            line.amounts[side] += 0 if one is None else one.amount
    return found


def _finding(closer: Closer, suspected: _Suspected, trial: Trial) -> Finding:
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
