"""Name the line that sets a generator back within a training; costs one run, where that was seen."""

from __future__ import annotations

from collections import Counter

from detaudit.compare.reseeds import Reseed, read_reseeds
from detaudit.diagnose.case import Case
from detaudit.model.ledger import Act, LedgerEntry
from detaudit.model.result import Notice
from detaudit.model.trace import Level
from detaudit.sources import numpy_random, python_random, torch_random
from detaudit.trace.ledger import read_ledger
from detaudit.trace.reader import TraceReader

SOURCES = {"python": python_random.NAME, "numpy": numpy_random.NAME}
"""Where the ledger has the seeds of a generator; those of all others are torch's."""
NAMES = {"python": "Python's", "numpy": "numpy's"}


def reseed_notices(case: Case, first: TraceReader, *, named: bool) -> list[Notice]:
    """Make one notice for each generator from which a training draws the same numbers again.

    `named`: whether the program is run once more for the line that sets it back.
    """
    reseeds = read_reseeds(first)
    if not reseeds:
        return []
    entries = _ledger(case, max(one.again for one in reseeds)) if named else []
    return [Notice("draws-repeat", _told(one, _seeding(one, entries))) for one in reseeds]


def _ledger(case: Case, last: int) -> list[LedgerEntry]:
    case.progress.note("a generator comes back to an earlier state; running again to see which line seeds it")
    (outcome,) = case.run_again("reseeded", runs=1, level=Level.LAYER, window=(0, last + 1), ledger=True)
    if outcome.trace is None or not outcome.finished:
        return []
    with TraceReader(outcome.trace) as reader:
        return list(read_ledger(reader))


def _seeding(reseed: Reseed, entries: list[LedgerEntry]) -> LedgerEntry | None:
    """Find the line that gives the generator the same seed several times; None if no line does."""
    source = SOURCES.get(reseed.generator, torch_random.NAME)
    seeds = [
        one
        for one in entries
        if one.source == source and one.act is Act.SEEDS and one.draws_or_seeds_globally
    ]
    times: Counter[tuple[bytes, str]] = Counter()
    for one in seeds:
        times[one.site_key, one.shown] += one.count
    repeated = (one for one in reversed(seeds) if times[one.site_key, one.shown] > 1 and one.site is not None)
    return next(repeated, None)


def _told(reseed: Reseed, seeding: LedgerEntry | None) -> str:
    whose = NAMES.get(reseed.generator, "torch's" if reseed.generator == "torch" else reseed.generator)
    by = "something sets it back (a seed, or an earlier state)"
    if seeding is not None and seeding.site is not None:
        where = f"{seeding.site.file}:{seeding.site.line}"
        by = f"{where} seeds it with {seeding.shown} again ({seeding.site.code})"
    return (
        f"the training draws the same numbers from {whose} global generator again: in step {reseed.again} "
        f"those of step {reseed.first}; {by}. Let that line use a generator of its own, or put the state "
        "back after it"
    )
