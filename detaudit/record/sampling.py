"""Tell how a DataLoader picks its samples: the order that its sampler promises, the length of its data."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from detaudit.record.identity import IdentityMap
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.torch_private.loaders import SAMPLE_COUNT, index_sampler, makes_batches

_RANGE = type(iter(range(0)))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a loader picks samples, as far as that is known; see `LoaderIteration`."""

    sampler: str
    shuffles: bool
    covers: bool
    droppable: int | None
    length: int | None


class Lengths:
    """Knows how long data sets are from what torch's samplers ask: `len` may be the user's own code."""

    def __init__(self, recorder: Recorder) -> None:
        self._lengths: IdentityMap[Any, int] = IdentityMap()
        seen = observing(recorder, self._seen)
        count, walk = vars(RandomSampler).get("num_samples"), SequentialSampler.__iter__
        ask = count.fget if isinstance(count, property) else None

        def counting(sampler: Any) -> Any:
            number = None if ask is None else ask(sampler)
            seen(sampler, number)
            return number

        @functools.wraps(walk)
        def walking(sampler: Any) -> Any:
            numbers = walk(sampler)
            if type(numbers) is _RANGE:
                seen(sampler, operator.length_hint(numbers))
            return numbers

        if ask is not None:
            # Asked before each pass.
            recorder.scope.replace(RandomSampler, "num_samples", property(counting))
        # Gives a range as long as the data set.
        recorder.scope.replace(SequentialSampler, "__iter__", walking)

    def of(self, sampler: object) -> int | None:
        """Return the length of the data set of a sampler that goes through all of it."""
        return self._lengths.get(sampler)

    def _seen(self, sampler: object, number: object) -> None:
        if isinstance(number, int):
            self._lengths.set(sampler, number)


def sampling_of(iterator: Any, lengths: Lengths) -> Sampling:
    """Tell how a pass over a loader picks its samples, without running code of the user's."""
    picks, batches = index_sampler(iterator), None
    sampler = picks
    if makes_batches(iterator):
        batches, sampler = picks, _attributes(picks).get("sampler")
    covers = _covers(sampler)
    return Sampling(
        type(picks if sampler is None else sampler).__name__,
        shuffles=_shuffles(sampler),
        covers=covers,
        droppable=_droppable(batches),
        length=lengths.of(sampler) if covers else None,
    )


def _shuffles(sampler: object) -> bool:
    if isinstance(sampler, DistributedSampler):
        return bool(_attributes(sampler).get("shuffle"))
    return isinstance(sampler, RandomSampler | SubsetRandomSampler | WeightedRandomSampler)


def _covers(sampler: object) -> bool:
    if isinstance(sampler, RandomSampler):
        given = _attributes(sampler)
        return given.get("replacement") is False and given.get(SAMPLE_COUNT, 0) is None
    return isinstance(sampler, SequentialSampler)


def _droppable(batches: object) -> int | None:
    if batches is None:
        return 0
    given = _attributes(batches)
    if not given.get("drop_last"):
        return 0
    # One that sorts samples into groups may leave out the rest of each.
    size = given.get("batch_size") if type(batches) is BatchSampler else None
    return size - 1 if isinstance(size, int) else None


def _attributes(item: object) -> dict[str, Any]:
    """Return the attributes that were set on an object, not computed ones: they would run its code."""
    try:
        return dict(object.__getattribute__(item, "__dict__"))
    except AttributeError:
        return {}
