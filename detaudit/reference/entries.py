"""Turn a trace into entries: the values of each layer in each step, for a lock or a comparison of commits.

Only complete steps of the main thread count. An entry stands for all parameters of one layer, or for all of
its calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from xxhash import xxh3_128_digest

from detaudit.digest.algorithm import combine
from detaudit.model.lock import BEFORE, EXACT, VARIES, Entry
from detaudit.model.result import TRAINING
from detaudit.model.sketch import Sketch, combined
from detaudit.model.trace import Batch, Event, Kind, Phase, Place, Site, StreamRole
from detaudit.trace.data import read_sketch
from detaudit.trace.layout import NO_DIGEST
from detaudit.trace.reader import TraceReader

_WORDS = {
    Kind.WEIGHT: "weights",
    Kind.BUFFER: "buffers",
    Kind.BATCH: "batch",
    Kind.INPUT: "input",
    Kind.MODULE: "output",
    Kind.LOSS: "loss",
    Kind.GRAD: "gradients",
    Kind.GRAD_ACCUMULATED: "gradients",
    Kind.GRAD_USED: "gradients",
    Kind.OPTIMIZER_STATE: "optimizer state",
}
"""The name of an entry of each kind. Other kinds have no entries: strings in a batch are no numbers, and a
gradient that arrives at a module's output shows in the gradients behind it."""

ORDER, COUNTS = "batch order", "step counts"
"""Entries of whole numbers: which samples a batch is made of, how many steps an optimizer has counted."""

_GRADIENTS = {Kind.GRAD, Kind.GRAD_ACCUMULATED, Kind.GRAD_USED}


class _Key(NamedTuple):
    """Identity of an entry."""

    step: int
    phase: Phase
    layer: str
    what: str


class _Value(NamedTuple):
    """The part of an entry that one event adds."""

    name: str
    digest: bytes
    sketch: Sketch | None
    site: Site | None


def entries_of(reader: TraceReader, steps: int | None) -> list[Entry]:
    """List the entries of the first `steps` steps (None: of all steps), in the order of the run.

    The initial weights come first. A trace that was recorded without sketches gives entries without them.
    """
    return [_entry(key, values) for key, values in _gathered(reader, steps).items()]


def asked_about(entries: Iterable[Entry], scope: str) -> list[Entry]:
    """Give the entries; if only the training is asked about, mark those of evaluations as varying."""
    return [
        replace(entry, digest=VARIES, sketch=None)
        if scope == TRAINING and entry.phase is Phase.EVAL
        else entry
        for entry in entries
    ]


def site_of(reader: TraceReader, entry: Entry) -> Site | None:
    """Find the line of the user's code that an entry of this trace belongs to; None if it is not known."""
    for key, values in _gathered(reader, None).items():
        if (key.step, key.phase.value, key.layer, key.what) == entry.identity:
            return next((value.site for value in values if value.site is not None), None)
    return None


def _gathered(reader: TraceReader, steps: int | None) -> Mapping[_Key, Sequence[_Value]]:
    """Group all values by their entry; values from before the first step come first."""
    before: defaultdict[_Key, list[_Value]] = defaultdict(list)
    after: defaultdict[_Key, list[_Value]] = defaultdict(list)
    main = next((one.id for one in reader.streams if one.role is StreamRole.MAIN), None)
    if main is None:
        return {}
    batches = {batch.sequence: batch for batch in reader.batches(main)}
    complete = (head.index for head in reader.heads(main) if head.complete)
    for index in islice(complete, steps):
        for event in _as_used(reader.step(main, index).events):
            for key, value in _values(reader, index, event, batches.get(event.sequence)):
                (before if key.step == BEFORE else after)[key].append(value)
    return {**before, **after}


def _as_used(events: Sequence[Event]) -> Iterator[Event]:
    """Give the events, with each gradient as the optimizer finds it, at the place where it first arrived.

    Optimizers go through the layers from the first to the last. The order of arrival shows where in the
    backward pass the numbers begin to differ.
    """
    used = {_parameter(event.place): event for event in events if event.place.kind is Kind.GRAD_USED}
    given = set()
    for event in events:
        parameter = _parameter(event.place)
        if event.place.kind not in _GRADIENTS or parameter not in used:
            yield event
        elif parameter not in given:
            given.add(parameter)
            yield used[parameter]


def _parameter(place: Place) -> tuple[str, str | None, str]:
    return place.root, place.module, place.name


def _values(
    reader: TraceReader, step: int, event: Event, batch: Batch | None
) -> Iterator[tuple[_Key, _Value]]:
    place = event.place
    if place.kind not in _WORDS:
        return
    if place.kind is Kind.BATCH and batch is not None and batch.samples is not None:
        # In front of the batch, which comes of it.
        order = _Key(step, place.phase, place.name, EXACT + ORDER)
        yield order, _Value("", xxh3_128_digest(repr(batch.samples).encode()), None, event.site)
    if place.kind is Kind.OPTIMIZER_STATE and place.name.endswith(".step"):
        # Beside a moving average of small gradients, a count of steps would be all that a sketch shows.
        counts = _Key(step, place.phase, "", EXACT + COUNTS)
        yield counts, _Value(_full_name(place), event.outputs or NO_DIGEST, None, event.site)
        return
    sketch = read_sketch(reader, event.outputs)
    what = _WORDS[place.kind] if sketch is not None else EXACT + _WORDS[place.kind]
    phase = Phase.BACKWARD if place.kind in _GRADIENTS else place.phase
    key = _Key(BEFORE if phase is Phase.INIT else step, phase, _layer(place), what)
    yield key, _Value(place.name, event.outputs or NO_DIGEST, sketch, event.site)


def _layer(place: Place) -> str:
    if place.kind is Kind.BATCH:
        return place.name
    return ".".join(filter(None, (place.root, place.module)))


def _full_name(place: Place) -> str:
    return f"{_layer(place)}.{place.name}"


def _entry(key: _Key, values: Sequence[_Value]) -> Entry:
    """One entry from its values: by name, whatever their order, and repeated ones in their order."""
    by_name: dict[str, _Value] = {}
    times: defaultdict[str, int] = defaultdict(int)
    for value in values:
        by_name[f"{value.name}#{times[value.name]}"] = value
        times[value.name] += 1
    parts = [
        part for name in sorted(by_name) for part in (xxh3_128_digest(_utf8(name)), by_name[name].digest)
    ]
    sketch = combined({name: value.sketch for name, value in by_name.items() if value.sketch is not None})
    return Entry(*key, digest=combine(f"entry|{key.what}", parts), sketch=sketch)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
