"""Find where copies of the same weights stop being the same, over the ranks of one run.

What ranks must share is written into their traces (`record/replicas.py`), with one digest for each step. So
ranks are read one after the other, a row for each step, and steps are opened only where copies differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import xxhash

from detaudit.compare.align import EventPair, ThreadPair, Traces
from detaudit.compare.ranks import is_collective
from detaudit.model.trace import Kind, Phase
from detaudit.trace.reader import TraceReader

_COPIES = "SELECT step, ranks, digest FROM copies WHERE stream=? ORDER BY ranks, step, part"


@dataclass(frozen=True, slots=True)
class RankStream:
    """The main thread of one rank, in the trace that has it."""

    number: int
    reader: TraceReader
    stream: int
    data_parallel: tuple[int, ...] = ()
    """The ranks that train the same weights on other samples; empty where that is not known."""

    @property
    def label(self) -> str:
        """The name of the rank in its trace."""
        return f"rank {self.number}"


@dataclass(frozen=True, slots=True)
class Drift:
    """Copies of the same weights that are no longer the same."""

    step: int
    """The first step from which on they differ until the end."""
    reference: int
    """A rank of those that agree: of the most, or of rank 0's."""
    departed: tuple[int, ...]
    """The ranks whose copies are others."""


def rank_streams(reader: TraceReader) -> list[RankStream]:
    """List the ranks of a run that is in one trace, in their order."""
    ranks = {rank.name: rank for rank in reader.info.ranks}
    found = [
        RankStream(ranks[stream.process].number, reader, stream.id, ranks[stream.process].data_parallel)
        for stream in reader.streams
        if stream.thread == "main" and stream.process in ranks
    ]
    return sorted(found, key=lambda rank: rank.number)


def find_drift(ranks: Iterable[RankStream]) -> Drift | None:
    """Find the earliest step from which on copies differ; None where they agree at the end.

    Copies that part for a while and meet again are left out: a training that averages its weights now and
    then, instead of the gradients in each step, is meant to do so.
    """
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    for rank in ranks:
        for group, step, digest in _digests(rank):
            groups[group].add(rank.number, step, digest)
    found = [drift for group in groups.values() if (drift := group.drift()) is not None]
    return min(found, key=lambda drift: drift.step, default=None)


@dataclass(slots=True)
class _Group:
    """The copies that some ranks hold, step by step."""

    members: set[int] = field(default_factory=set)
    steps: defaultdict[int, defaultdict[bytes, list[int]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """For each step, the ranks by the digest of their copies."""

    def add(self, rank: int, step: int, digest: bytes) -> None:
        """Take in one step of one rank."""
        self.members.add(rank)
        self.steps[step][digest].append(rank)

    def drift(self) -> Drift | None:
        """Say where the copies part for good.

        Where ranks take unequal numbers of steps (`Join`), the same number is not the same step, and nothing
        is said.
        """
        first = None
        for step in sorted(self.steps, reverse=True):
            kinds = self.steps[step]
            if sum(map(len, kinds.values())) < len(self.members):
                return None
            if len(kinds) == 1:
                break
            first = step
        return None if first is None else self._described(first)

    def _described(self, step: int) -> Drift:
        kinds = sorted(self.steps[step].values(), key=lambda ranks: (-len(ranks), min(ranks)))
        departed = sorted(rank for ranks in kinds[1:] for rank in ranks)
        return Drift(step, min(kinds[0]), tuple(departed))


def _digests(rank: RankStream) -> Iterator[tuple[str, int, bytes]]:
    """Read the copies of a rank: by which ranks they are held, step, digest."""
    current: tuple[str, int] | None = None
    parts: list[bytes] = []
    for step, group, digest in rank.reader.rows(_COPIES, rank.stream, types=(int, str, bytes)):
        if current is not None and current != (group, step):
            yield *current, xxhash.xxh3_128_digest(b"".join(parts))
            parts = []
        current = group, step
        parts.append(digest)
    if current is not None:
        yield *current, xxhash.xxh3_128_digest(b"".join(parts))


def first_departing(reference: RankStream, departed: RankStream, step: int) -> EventPair | None:
    """Find the first thing of the optimizer's step that the ranks should share, and that differs.

    A gradient as the optimizer finds it comes before the weight that it changes.
    """
    pairs = pairs_of(reference, departed, step)
    shared = {pair.event.place for pair in pairs if pair.event.place.kind is Kind.WEIGHT and not pair.agrees}
    names = {(place.root, place.module, place.name) for place in shared}
    for pair in pairs:
        place = pair.event.place
        used = place.kind in {Kind.GRAD_USED, Kind.WEIGHT} and place.phase in {Phase.INIT, Phase.OPTIMIZER}
        if used and not pair.agrees and (place.root, place.module, place.name) in names:
            return pair
    return None


def parted_weights(reference: RankStream, departed: RankStream, step: int) -> int:
    """Count the weights that two ranks leave behind a step with different values."""
    pairs = pairs_of(reference, departed, step)
    return sum(pair.event.place.kind is Kind.WEIGHT and not pair.agrees for pair in pairs)


def only_in_one(reference: RankStream, departed: RankStream, step: int) -> EventPair | None:
    """Find the first operator of a step that only one of two ranks runs, on a line of the program."""
    operators = (pair for pair in pairs_of(reference, departed, step) if pair.event.place.kind is Kind.OP)
    return next(
        (
            pair
            for pair in operators
            if pair.missing and pair.event.site is not None and not is_collective(pair.event.place.name)
        ),
        None,
    )


def pairs_of(reference: RankStream, departed: RankStream, step: int) -> list[EventPair]:
    """Match the events of a step of two ranks, as those of two runs are matched."""
    traces = Traces(reference.reader, departed.reader)
    thread = ThreadPair(departed.label, departed.label, reference.stream, departed.stream)
    return [pair for heads in traces.heads_at(thread, {step}) for pair in traces.pairs(thread, heads)]
