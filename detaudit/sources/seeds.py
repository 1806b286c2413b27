"""Name faults in a seed: no seed was given, it was given too late, or it differs in each run."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from types import FrameType

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry, Whose
from detaudit.model.trace import Site
from detaudit.sources.decisions import only_call, uncalled_seed
from detaudit.sources.observation import (
    CONSTANT_SEED,
    NEW_SEED,
    Naming,
    Observation,
    by_library,
    of_worker_start,
    on_line,
)
from detaudit.sources.source import Situation, Suspicion
from detaudit.sources.taps import Taps

SEED_DIFFERS = 45
"""Score bonus for a source whose line gives a seed that differs."""
SAME_NUMBERS = -60
"""Score bonus for a generator whose draws before the runs part gave equal numbers."""
WEIGHT = 80
SEED_FOR_EACH_TASK = (
    "give each task a seed of its own as an argument, and let it make a generator from that: "
    "np.random.default_rng([SEED, number]), random.Random(seed), torch.Generator().manual_seed(seed)"
)
_SEEDED_DRAW = Fact(Act.DRAWS, Whose.GLOBAL)
_CALLED = re.compile(r"(\w+)\(\.\.\.\)")
"""A call in advice on seeds."""


@dataclass(frozen=True, slots=True)
class GeneratorFamily:
    """The generators of one library: what is said of them where they have no seed."""

    source: str
    cause: Cause
    owner: str
    """The owner of the generators, in a sentence: "numpy's"."""
    seeding: tuple[str, ...]
    """The calls with which a program seeds the global generator."""
    fixes: dict[str, str]
    """The code to write instead, for each call."""
    hides_behind_libraries: bool = True
    """Whether to name instead a library that draws from the generator without a seed."""

    @property
    def suspicion(self) -> Suspicion:
        """Suspect it for draws without a seed."""
        return Suspicion(WEIGHT, concerns=_is_unseeded, adjust=_for_same_numbers)

    def name(self, seen: Observation) -> Naming:
        """Name the fault of a generator that starts elsewhere in each run."""
        entry = seen.telling(one for one in seen.entries if one.is_unseeded)
        if entry is None:
            return seen.name_bare(self.cause)
        if seen.in_worker(entry):
            words = f"{entry.operation} in a DataLoader worker: its generator gets another seed in each run"
            return seen.name_at(Cause.WORKER_SEEDING, entry, words)
        if self.hides_behind_libraries and (by_library(entry) or entry.fact.about):
            words = f"a library draws through {entry.operation} from a generator that was given no seed"
            return seen.name_at(Cause.UNSEEDED_LIBRARY, entry, words, self._library_fix(entry))
        if entry.fact.whose is Whose.GLOBAL_UNSEEDED:
            return self._name_global(seen, entry)
        words = (
            f"{entry.operation} makes a generator without a seed: the system gives it another one in each run"
        )
        return seen.name_at(self.cause, entry, words, self.fixes.get(entry.operation))

    def _name_global(self, seen: Observation, entry: LedgerEntry) -> Naming:
        drawn = f"{entry.operation} draws from {self.owner} global generator"
        if seen.in_other_process(entry):
            words = f"{drawn} in a process of its own, which the seeds of the main process do not reach"
            return seen.name_at(self.cause, entry, words, SEED_FOR_EACH_TASK)
        rank, everywhere = seen.rank_of(entry), self._seeds(seen.all_pairs)
        # Each rank has generators of its own.
        here = [one for one in everywhere if _is_of(rank, one)]
        later = [one for one in self._seeds(seen.whole) if _is_of(rank, one)]
        late = [one for one in here if not _earlier(one.entry, entry)]
        late += [one for one in later if one.entry.step > entry.step]
        seed = next((one for one in late if not of_worker_start(one.entry)), None)
        if seed is not None and seed.entry.site is not None:
            if _is_other(seed, seen):
                words = (
                    f"{drawn}, which nothing has seeded, and the drawn value becomes the seed "
                    f"{on_line(seed.entry.site, entry.site)}: {NEW_SEED}"
                )
                return seen.name_at(self.cause, entry, words, CONSTANT_SEED)
            words = f"{drawn} before it is seeded, which happens {on_line(seed.entry.site, entry.site)}"
            return seen.name_at(Cause.SEED_ORDER, entry, words)
        if entry.site is not None and not here and not later:
            line = uncalled_seed(entry.site.file, self.seeding, set())
            if line is not None:
                where = f" on {rank}" if rank else ""
                words = f"{drawn}, which is not seeded: line {line} would seed it, but is not executed{where}"
                site = Site(entry.site.file, line, "", linecache.getline(entry.site.file, line).strip())
                return Naming(self.cause, site, entry.operation, words, (entry.site,))
        words = f"{drawn}, which nothing has seeded{_elsewhere(rank, everywhere)}"
        return seen.name_at(self.cause, entry, words)

    def _library_fix(self, entry: LedgerEntry) -> str | None:
        if entry.fact.about:
            return entry.fact.about
        if entry.fact.whose is Whose.GLOBAL_UNSEEDED:
            return f"call {self.seeding[0]}(SEED) before it: it draws from {self.owner} global generator"
        return None

    def _seeds(self, pairs: tuple[EntryPair, ...]) -> list[EntryPair]:
        """List where the global generator is given a seed."""
        return [
            pair
            for pair in pairs
            if pair.entry.source == self.source
            and pair.entry.act is Act.SEEDS
            and pair.entry.draws_or_seeds_globally
        ]


def _is_of(rank: str, pair: EntryPair) -> bool:
    return not rank or pair.stream.partition("/")[0] == rank


def _elsewhere(rank: str, seeds: list[EntryPair]) -> str:
    """Say on which line other ranks seed their generators, where this one does not."""
    other = next((one for one in seeds if rank and one.entry.site is not None), None)
    if other is None or other.entry.site is None:
        return ""
    return f" on {rank}; {other.stream.partition('/')[0]} seeds its own on line {other.entry.site.line}"


def name_new_seed(seen: Observation, cause: Cause, origin: str) -> Naming | None:
    """Name the fault where what a source gave became a seed; None where no seed is another in each run.

    `origin` says what the source is: "the clock".
    """
    seed = next((one for one in seen.other_seeds() if not of_worker_start(one)), None)
    if seed is None or seed.site is None:
        return None
    given = f"{seed.operation} is given another number in each run ({seed.shown})"
    if seen.in_worker(seed):
        naming = seen.name_at(Cause.WORKER_SEEDING, seed, f"{given}: it comes from {origin}")
        return replace(naming, seed=seed.site)
    read = _read_before(seen, seed)
    if read is None:
        return None
    if by_library(seed) and not by_library(read) and (read.site, read.step) != (seed.site, seed.step):
        # What the program itself reads on another line does not become the seed of a library.
        return None
    if by_library(seed) and by_library(read):
        words = f"a library makes a seed of its own, from {origin} ({read.operation}): it is new in each run"
        site = _line_of_call(seed)
        naming = seen.name_at(Cause.UNSEEDED_LIBRARY, seed, words, seed.fact.about or None)
        return replace(naming, site=site, symbol=read.operation, seed=seed.site)
    where = on_line(seed.site, read.site)
    words = f"{read.operation} gives the seed: {where}, {given}; it comes from {origin}, so {NEW_SEED}"
    return replace(seen.name_at(cause, read, words, CONSTANT_SEED), seed=seed.site)


def _line_of_call(seed: LedgerEntry) -> Site | None:
    """Find where the program calls the function that must be given a seed, if there is only one such call."""
    site = seed.site
    if site is None:
        return None
    calls = (only_call(site.file, function) for function in _CALLED.findall(seed.fact.about))
    line = next((one for one in calls if one is not None), None)
    if line is None:
        return site
    return Site(site.file, line, site.function, linecache.getline(site.file, line).strip(), site.through)


def for_other_seed(pairs: list[EntryPair], situation: Situation) -> float:
    """Add to the score of a source whose line also gives a seed that is another one in each run."""
    return SEED_DIFFERS if situation.seeds_another(pairs) else 0


def _read_before(seen: Observation, seed: LedgerEntry) -> LedgerEntry | None:
    """Find the line that read what became the seed: the last before it, of its thread if that has any."""
    reads = [pair.entry for pair in seen.pairs if pair.differs and pair.entry.site is not None]
    before = [one for one in reads if one.position <= seed.position]
    own = [one for one in before if (one.stream, one.thread) == (seed.stream, seed.thread)]
    direct = [one for one in own if not by_library(one)]
    return max(direct or own or before, key=lambda one: one.position, default=None)


def _is_unseeded(pair: EntryPair, _situation: Situation) -> bool:
    return pair.entry.is_unseeded


def _for_same_numbers(pairs: list[EntryPair], _situation: Situation) -> float:
    made = any(pair.differs or pair.entry.act is Act.SEEDS_BY_SYSTEM for pair in pairs)
    return 0 if made else SAME_NUMBERS


def _is_other(seed: EntryPair, seen: Observation) -> bool:
    """Say whether a seed differs in each run. Runs in which the draw was held fixed do not show this."""
    return seed.is_other_seed and any(pair is seed for pair in seen.all_pairs)


def _earlier(one: LedgerEntry, other: LedgerEntry) -> bool:
    return one.stream == other.stream and one.position < other.position


def asked_through(between: Collection[str], taps: Taps) -> bool:
    """Say whether a tapped function is called for the program, not by a library for its own use.

    `between`: names of modules through which the program may ask. Call it from the handler itself.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if name not in between and not name.startswith("detaudit."):
            return taps.lines.asked_by_program(frame)
        frame = frame.f_back
    return False


def global_draw(taps: Taps, *, seeded: bool) -> Fact:
    """State that a library's global generator is drawn from; where it has no seed, with advice on one."""
    return _SEEDED_DRAW if seeded else Fact(Act.DRAWS, Whose.GLOBAL_UNSEEDED, taps.seed_advice())
