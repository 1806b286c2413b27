"""Measure where an axis may change the arithmetic, and does: in which steps and layers, and how it grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from detaudit.axes.catalogue import axis_named, weakest
from detaudit.model.result import Comparison, Finding, Notice
from detaudit.model.trace import Kind, Place, StreamRole
from detaudit.model.variation import Promise, Variation
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader
from detaudit.vary.axis_syntax import differing
from detaudit.vary.experiment import ConditionPair
from detaudit.vary.findings import findings_of
from detaudit.vary.growth import growth_of
from detaudit.vary.layers import measure_layers
from detaudit.vary.operators import OperatorReport, measure_operators
from detaudit.vary.verdict import LAYERS_LEFT_OUT

LONGEST = 240
"""The most letters of a problem that are shown."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """The second runs under both conditions, recorded with sketches."""

    first: TraceReader
    second: TraceReader


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of measuring."""

    variation: Variation
    findings: tuple[Finding, ...]
    notices: tuple[Notice, ...]


def measure(pair: ConditionPair, comparison: Comparison, repeated: Repeated) -> Measured:
    """Run the step in which the runs part again, with its values, and measure it layer by layer.

    Where bits say nothing, so with later steps too (see `steps_to_measure`).
    """
    axes = differing(pair.first.axes, pair.second.axes)
    parted = 0 if comparison.first is None else comparison.first.step
    layers = measure_layers(pair, parted)
    for step in steps_to_measure(parted, repeated.first, repeated.second, weakest(axes))[1:]:
        if not any(layer.flagged for layer in layers.layers):
            layers = layers.followed_by(measure_layers(pair, step, beside_float64=False))
    comparable = all(axis_named(axis).operators_comparable for axis in axes)
    seen = measure_operators(pair, parted) if comparable else OperatorReport()
    variation = Variation(
        axes,
        *pair.names,
        weakest(axes),
        equal=False,
        layers=layers.layers,
        operators=seen.operators,
        growth=growth_of(repeated.first, repeated.second),
        named=layers.named,
    )
    notices = (
        *_notices(LAYERS_LEFT_OUT, layers.problems),
        *_notices("operators-not-measured", seen.problems),
        *_notices("no-float64-run", tuple(filter(None, [layers.without_float64]))),
    )
    findings = tuple(findings_of(variation, comparison, layers.lines, whole=not layers.problems))
    return Measured(variation, findings, notices)


def _notices(identity: str, problems: tuple[str, ...]) -> tuple[Notice, ...]:
    return tuple(Notice(identity, text) for text in dict.fromkeys(map(_brief, problems)))


def _brief(text: str) -> str:
    """Give the first sentence: some of torch's messages list all that it can do instead."""
    line = text.partition("\n")[0]
    return line if len(line) <= LONGEST else line[: line.rfind(" ", 0, LONGEST)] + " ..."


def steps_to_measure(parted: int, first: TraceReader, second: TraceReader, promise: Promise) -> list[int]:
    """Choose the step in which two runs part, and those that could hide what begins later.

    Where bits can be equal, whatever is wrong shows as a difference, and grows. Where they cannot, the last
    step is measured too, and the first one in which the runs do not go through the same modules, gradients
    and weights.
    """
    steps = {parted}
    if promise is Promise.PRECISION:
        shared = min(steps_completed(first), steps_completed(second))
        steps.update(step for step in _other_course(first, second, shared) if step > parted)
        steps.add(max(parted, shared - 1))
    return sorted(steps)


def _other_course(first: TraceReader, second: TraceReader, steps: int) -> Iterator[int]:
    """Find the first step that has other events in the two runs, if there is one."""
    for step in range(steps):
        if _places(first, step) != _places(second, step):
            yield step
            return


def _places(reader: TraceReader, step: int) -> Counter[Place]:
    """Count the events of each thing in a step of the main thread, without operators (they vary by dtype)."""
    return Counter(
        event.place
        for stream in reader.streams
        if stream.role is StreamRole.MAIN and reader.steps_begun(stream.id) > step
        for event in reader.step(stream.id, step).events
        if event.place.kind is not Kind.OP
    )
