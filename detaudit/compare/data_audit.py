"""Audit the data side of one run: order and content of each pass over each loader, and faults in them.

None of the faults makes a run irreproducible: a run that repeats its augmentations repeats them reliably.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise
from math import log

from detaudit.compare.data_wording import notices
from detaudit.compare.draws import WorkerDraws, repeated_by_epochs, repeated_by_workers
from detaudit.compare.passes import Pass, read_passes
from detaudit.model.data import DataAudit, DataFault, LoaderAudit, Occurrence
from detaudit.trace.reader import TraceReader

BY_CHANCE = 1e-6
"""A shuffled order that is repeated is a fault if the probability of that by chance is less than this."""


def audit_data(reader: TraceReader) -> DataAudit:
    """Audit all loaders of a run. Raises TraceError if the trace is damaged."""
    draws = WorkerDraws(reader)
    loaders = []
    for stream in reader.streams:
        for _, passes in groupby(read_passes(reader, stream.id), key=lambda one: one.facts.loader):
            loaders.append(_audit_loader(stream.label, list(passes), draws))
    return DataAudit(tuple(loaders))


def _audit_loader(stream: str, passes: list[Pass], draws: WorkerDraws) -> LoaderAudit:
    facts = passes[-1].facts
    faults = [*_randomness(passes, draws), *_data(passes), *_orders(passes), *_coverage(passes)]
    return LoaderAudit(
        stream=stream,
        loader=facts.loader,
        dataset=facts.dataset,
        sampler=facts.sampler,
        iterable=facts.iterable,
        workers=facts.workers,
        length=facts.length,
        epochs=tuple(one.epoch for one in passes),
        faults=tuple(faults),
    )


def _randomness(passes: list[Pass], draws: WorkerDraws) -> Iterator[Occurrence]:
    earlier = None
    for one in passes:
        drawn = draws.of(one)
        yield from repeated_by_workers(one, drawn)
        # A validation may rightly be the same each time.
        if one.epoch.trains:
            if earlier is not None and not one.anew:
                yield from repeated_by_epochs(one, earlier, drawn)
            earlier = drawn


def _data(passes: list[Pass]) -> Iterator[Occurrence]:
    for one in passes:
        if one.repeating:
            yield Occurrence(DataFault.WORKERS_REPEAT_DATA, one.facts.iteration, one.repeating)


def _orders(passes: list[Pass]) -> Iterator[Occurrence]:
    training = [one for one in passes if one.epoch.trains]
    enough = log(max(1, len(training)) / BY_CHANCE)
    for earlier, later in pairwise(training):
        alike = later.epoch.order is not None and later.epoch.order == earlier.epoch.order
        if alike and later.facts.shuffles and not later.anew and later.arrangements > enough:
            yield Occurrence(DataFault.EPOCHS_SAME_ORDER, later.facts.iteration)


def _coverage(passes: list[Pass]) -> Iterator[Occurrence]:
    for one in passes:
        facts, epoch = one.facts, one.epoch
        if not facts.covers or not facts.exhausted or epoch.samples is None:
            continue
        if epoch.twice:
            yield Occurrence(DataFault.SAMPLES_TWICE, facts.iteration)
        if facts.droppable is not None and epoch.missing_count > facts.droppable:
            yield Occurrence(DataFault.SAMPLES_MISSING, facts.iteration)


__all__ = ["audit_data", "notices"]
