"""Put passes over loaders together from their batches; only passes under way are held in full."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from math import lgamma

import xxhash

from detaudit.model.data import Epoch, LoaderIteration
from detaudit.model.trace import Batch, Kind, Phase
from detaudit.trace.data import read_iterations, read_last_batches
from detaudit.trace.layout import NO_DIGEST
from detaudit.trace.reader import TraceReader

SHOWN = 20
"""At most this many samples of a sort are listed."""

LOOKED_AT = 200
"""The number of batches of each worker that are compared: workers with equal generators and equal data are
equal from the start."""

SPARSE = 1000
"""Sample numbers whose range is larger than this many times their count are no positions in a data set."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a loader, with what is needed to compare it with others."""

    facts: LoaderIteration
    epoch: Epoch
    arrangements: float
    """Logarithm of the number of orders in which the samples of the pass could have come."""
    repeating: tuple[int, ...]
    """Workers whose batches are the same as those of another worker."""
    anew: bool
    """True if new weights appear with the first batch of the pass: another training begins."""


def read_passes(reader: TraceReader, stream: int) -> list[Pass]:
    """Read all passes over loaders that a stream began, loader by loader, each in order."""
    facts = {(one.loader, one.iteration): one for one in read_iterations(reader, stream)}
    last = read_last_batches(reader, stream)
    gathered: defaultdict[tuple[int, int], _Gathered] = defaultdict(_Gathered)
    passes = {}
    for batch in reader.batches(stream):
        key = (batch.loader, batch.iteration)
        gathered[key].add(batch)
        if batch.sequence == last.get(key) and key in facts:
            passes[key] = _finish(reader, stream, facts[key], gathered.pop(key))
    return [passes.get(key) or _finish(reader, stream, one, _Gathered()) for key, one in facts.items()]


@dataclass(slots=True)
class _Gathered:
    """The batches of one pass so far."""

    batches: int = 0
    numbered: bool = True
    samples: Counter[int] = field(default_factory=Counter)
    order: xxhash.xxh3_128 = field(default_factory=xxhash.xxh3_128)
    by_worker: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    first_step: int | None = None
    last_step: int | None = None

    def add(self, batch: Batch) -> None:
        """Take in the next batch."""
        self.batches += 1
        self.numbered = self.numbered and batch.samples is not None
        self.samples.update(batch.samples or ())
        self.order.update(json.dumps(batch.samples).encode())
        self.first_step = batch.step if self.first_step is None else self.first_step
        self.last_step = batch.step
        if batch.worker is not None:
            given = self.by_worker[batch.worker]
            if len(given) < LOOKED_AT:
                given.append(batch.content or NO_DIGEST)


def _finish(reader: TraceReader, stream: int, facts: LoaderIteration, given: _Gathered) -> Pass:
    repeated = given.samples.values()
    return Pass(
        facts,
        _epoch(facts, given),
        arrangements=lgamma(sum(repeated) + 1) - sum(lgamma(count + 1) for count in repeated),
        repeating=_repeating(given.by_worker) if facts.iterable else (),
        anew=_starts_anew(reader, stream, given.first_step),
    )


def _epoch(facts: LoaderIteration, given: _Gathered) -> Epoch:
    numbered = given.numbered and not facts.iterable
    twice = [sample for sample, count in given.samples.items() if count > 1]
    missing = list(_missing(facts, given.samples)) if numbered and facts.exhausted else []
    return Epoch(
        iteration=facts.iteration,
        batches=given.batches,
        samples=sum(given.samples.values()) if numbered else None,
        complete=facts.exhausted,
        trains=given.first_step != given.last_step,
        workers=tuple(sorted(given.by_worker)),
        order=given.order.hexdigest() if numbered else None,
        twice=tuple(sorted(twice)[:SHOWN]),
        twice_count=len(twice),
        missing=tuple(missing[:SHOWN]),
        missing_count=len(missing),
    )


def _missing(facts: LoaderIteration, samples: Counter[int]) -> Iterator[int]:
    """Yield the samples that never came; without the length of the data set, gaps between those that did."""
    end = max(samples, default=-1) + 1 if facts.length is None else facts.length
    # A trace may claim any length, and a number of the user's need not be a position.
    if end <= (len(samples) + 1) * SPARSE:
        yield from (sample for sample in range(end) if sample not in samples)


def _repeating(by_worker: dict[int, list[bytes]]) -> tuple[int, ...]:
    """List the workers that gave the same batches as another; batches that are all alike say nothing."""
    found = set()
    for (one, ours), (other, theirs) in combinations(sorted(by_worker.items()), 2):
        common = min(len(ours), len(theirs))
        if ours[:common] == theirs[:common] and len(set(ours[:common])) > 1:
            found |= {one, other}
    return tuple(sorted(found))


def _starts_anew(reader: TraceReader, stream: int, step: int | None) -> bool:
    if step is None:
        return False
    try:
        events = reader.step(stream, step).events
    except KeyError:
        # The run was killed before this step was written.
        return True
    return any(event.place.kind is Kind.WEIGHT and event.place.phase is Phase.INIT for event in events)
