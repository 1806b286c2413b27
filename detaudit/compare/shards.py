"""Compare what the ranks of one run train on: each must have samples of its own, in another order each epoch.

Only passes over loaders that the training takes its batches from are looked at, and only ranks that train the
same weights on other samples: parts of a layer that is spread over ranks are rightly fed the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from detaudit.compare.replicas import RankStream
from detaudit.model.data import LoaderIteration
from detaudit.model.trace import Batch, Event, Kind, Phase
from detaudit.trace.data import read_iterations

LEAST_BATCHES = 2
"""Fewer batches can be alike by chance, or since there is only so much data."""
FEWEST_ORDERED = 8
"""Samples whose order can hardly be the same twice by chance: there are 40,320 orders of eight."""
LOOKED_AT = 50
"""Batches of a pass that are compared."""
EPOCHS = 2
"""Passes over each loader that are compared."""
SETS_ITS_EPOCH = "DistributedSampler"
"""The sampler whose order follows from the epoch that it was told."""


@dataclass(frozen=True, slots=True)
class Shard:
    """What one rank took from one pass over a loader."""

    rank: int
    group: tuple[int, ...]
    """The ranks among which the data is divided; empty where that is not known."""
    facts: LoaderIteration
    batches: tuple[Batch, ...]
    first: Event | None
    """The event of its first batch."""
    inputs: tuple[bytes | None, ...]
    """What the model was called with, for each batch."""

    @property
    def samples(self) -> list[int] | None:
        """The numbers of the samples, in order; None where they have none."""
        numbers: list[int] = []
        for batch in self.batches:
            if batch.samples is None:
                return None
            numbers.extend(batch.samples)
        return numbers


@dataclass(frozen=True, slots=True)
class ShardFault:
    """A pass over a loader in which ranks do not have what they should."""

    epoch_not_set: bool
    """True where a rank repeats the order of the pass before; False where ranks have the same samples."""
    shard: Shard
    """Of the rank that departs."""
    other: Shard
    common: int
    """Samples that both have; batches where samples have no numbers."""


def find_shard_faults(ranks: Iterable[RankStream]) -> list[ShardFault]:
    """Find at most one fault of each kind: the earliest."""
    by_pass: defaultdict[tuple[int, int], list[Shard]] = defaultdict(list)
    for rank in ranks:
        for shard in read_shards(rank):
            by_pass[shard.facts.loader, shard.facts.iteration].append(shard)
    overlaps = (fault for shards in by_pass.values() if (fault := _overlap(shards)) is not None)
    repeats = (
        fault
        for (loader, iteration), shards in by_pass.items()
        if (fault := _repeat(by_pass.get((loader, iteration - 1), []), shards)) is not None
    )
    return [fault for found in (overlaps, repeats) if (fault := next(iter(found), None)) is not None]


def read_shards(rank: RankStream) -> list[Shard]:
    """Read the first passes over each loader from which a rank trains."""
    facts = {(one.loader, one.iteration): one for one in read_iterations(rank.reader, rank.stream)}
    batches: defaultdict[tuple[int, int], list[Batch]] = defaultdict(list)
    for batch in rank.reader.batches(rank.stream):
        key = (batch.loader, batch.iteration)
        if batch.iteration < EPOCHS and len(batches[key]) < LOOKED_AT:
            batches[key].append(batch)
    shards = (_shard(rank, facts[key], taken) for key, taken in batches.items() if key in facts)
    return [shard for shard in shards if shard is not None]


def _shard(rank: RankStream, facts: LoaderIteration, batches: Sequence[Batch]) -> Shard | None:
    """Put a pass together; None if the model is not trained with its batches."""
    followed = [_followed(rank, batch) for batch in batches]
    first = followed[0]
    if first.call is None or first.call.place.phase is Phase.EVAL:
        return None
    inputs = tuple(None if one.input is None else one.input.outputs for one in followed)
    return Shard(rank.number, rank.data_parallel, facts, tuple(batches), first.batch, inputs)


@dataclass(frozen=True, slots=True)
class _Use:
    """What follows the arrival of a batch in its step."""

    batch: Event | None
    input: Event | None
    """The next input of a model."""
    call: Event | None
    """The next call of a module that ended."""


def _followed(rank: RankStream, batch: Batch) -> _Use:
    events = rank.reader.step(rank.stream, batch.step).events
    own = next((event for event in events if event.sequence == batch.sequence), None)
    behind = [event for event in events if event.sequence > batch.sequence]
    given = next((event for event in behind if event.place.kind is Kind.INPUT), None)
    call = next((event for event in behind if event.place.kind is Kind.MODULE), None)
    return _Use(own, given, call)


def _overlap(shards: Sequence[Shard]) -> ShardFault | None:
    # Of many ranks, those next to each other and the first one with each tell enough.
    pairs = [*pairwise(shards), *((shards[0], shard) for shard in shards[2:])]
    for ours, theirs in pairs:
        divided = ours.rank in theirs.group and theirs.rank in ours.group
        if not divided or min(len(ours.batches), len(theirs.batches)) < LEAST_BATCHES:
            continue
        common = _same_batches(ours, theirs) or _common_samples(ours, theirs)
        if common:
            return ShardFault(epoch_not_set=False, shard=theirs, other=ours, common=common)
    return None


def _same_batches(ours: Shard, theirs: Shard) -> int:
    """Count what two ranks have in common where all their batches are alike, and so is what they train on.

    A program that gives each rank a part of the same batch calls its models with other values.
    """
    pairs = list(zip(ours.batches, theirs.batches, strict=False))
    alike = all(one.content is not None and one.content == other.content for one, other in pairs)
    if not alike or any(one != other for one, other in zip(ours.inputs, theirs.inputs, strict=False)):
        return 0
    samples = ours.samples
    return len(pairs) if samples is None else len(samples)


def _common_samples(ours: Shard, theirs: Shard) -> int:
    """Count the samples of parts of one data set that two ranks have in common, beyond what fills up batches.

    Where each rank takes all samples of its data set, these may be different data sets, and nothing is said.
    """
    length = ours.facts.length
    mine, others = ours.samples, theirs.samples
    if mine is None or others is None or length != theirs.facts.length:
        return 0
    first, second = set(mine), set(others)
    repeats = len(first) < len(mine) or len(second) < len(others)
    if repeats or (_takes_all(ours, first) and _takes_all(theirs, second)):
        return 0
    filling = 2 * max(len(batch.samples or ()) for batch in (*ours.batches, *theirs.batches))
    common = len(first & second)
    return common if common > filling else 0


def _takes_all(shard: Shard, samples: set[int]) -> bool:
    return shard.facts.covers or len(samples) == 1 + max(samples, default=-1)


def _repeat(before: Sequence[Shard], shards: Sequence[Shard]) -> ShardFault | None:
    earlier = {shard.rank: shard for shard in before}
    for shard in shards:
        previous = earlier.get(shard.rank)
        if previous is None or not _is_shuffled(shard):
            continue
        samples = shard.samples
        if samples is not None and samples == previous.samples and len(samples) >= FEWEST_ORDERED:
            return ShardFault(epoch_not_set=True, shard=shard, other=previous, common=len(samples))
    return None


def _is_shuffled(shard: Shard) -> bool:
    return shard.facts.sampler == SETS_ITS_EPOCH and shard.facts.shuffles
