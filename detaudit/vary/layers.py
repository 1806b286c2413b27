"""Measure layer by layer how far two runs are apart, which layer makes it, and what cannot be measured."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detaudit.axes.catalogue import AXES
from detaudit.compare.compare import compare
from detaudit.model.plan import Exchange, Part, TargetKind
from detaudit.model.trace import Event, Kind, Phase, Site, StreamRole
from detaudit.model.variation import Conditions, LayerNumbers
from detaudit.replay.wire.files import FLOAT64, LAYERS
from detaudit.replay.wire.layers import ValueOrigin, ValueRow
from detaudit.trace.reader import TraceReader
from detaudit.vary.experiment import ConditionPair, problems_of, up_to
from detaudit.vary.layer_flags import LayerMeasurements, calls_around, is_output_of_root, numbers_of

_EXACT = {name: axis.setting(axis.in_float64) for name, axis in AXES.items() if axis.in_float64}
"""The conditions of the exact run: on the CPU, in float64, in eager mode."""

Layer = tuple[str, str]
"""Root, and path below it."""

AMPLIFIED = 32.0
"""The factor by which a loss's gradient may be further apart than the outputs that the loss is made of."""

_NAMED = 3
"""The number of layers that a message names."""


@dataclass(frozen=True, slots=True)
class LayerLines:
    """The lines of all layers of one step."""

    defined: Mapping[Layer, Site] = field(default_factory=dict)
    called: Mapping[Layer, Site] = field(default_factory=dict)
    updated: Mapping[Layer, Site] = field(default_factory=dict)

    def of(self, layer: LayerNumbers) -> tuple[Site, ...]:
        """List the lines of a layer, the most telling one first; empty where nothing is known."""
        place = (layer.root, layer.module)
        known = (self.updated,) if layer.phase == Phase.OPTIMIZER.value else (self.defined, self.called)
        return tuple(lines[place] for lines in known if place in lines)

    def and_those(self, later: LayerLines) -> LayerLines:
        """Add the lines of further layers of a later step."""
        return LayerLines(
            {**later.defined, **self.defined},
            {**later.called, **self.called},
            {**later.updated, **self.updated},
        )


@dataclass(frozen=True, slots=True)
class LayerReport:
    """The results of measuring the layers of one step."""

    layers: tuple[LayerNumbers, ...]
    problems: tuple[str, ...] = ()
    """The things that could not be measured, in words for the user."""
    lines: LayerLines = field(default_factory=LayerLines)
    named: tuple[str, ...] = ()
    """Settings that explain a difference, in words."""
    without_float64: str = ""
    """The reason why no run in float64 stands beside the two, if one could have."""

    def followed_by(self, later: LayerReport) -> LayerReport:
        """Add the results of a later step."""
        return LayerReport(
            (*self.layers, *later.layers),
            tuple(dict.fromkeys((*self.problems, *later.problems))),
            self.lines.and_those(later.lines),
            tuple(dict.fromkeys((*self.named, *later.named))),
            self.without_float64,
        )


def measure_layers(
    pair: ConditionPair, step: int, *, beside_float64: bool = True, breaks_off: bool = False
) -> LayerReport:
    """Run both sides up to a step once more; the second is fed what every module of the first was fed.

    `breaks_off`: the second is known to fail within the step; what it does until then is measured.
    """
    values = Exchange(pair.runs.folder / f"values{step}", Part.KEEPS, step)
    values.folder.mkdir(parents=True, exist_ok=True)
    keeping = pair.runs.once(replace(up_to(pair.first, step), values=values), f"layers-keeps{step}")
    if keeping.trace is None or not keeping.ended_well:
        return _failed(pair.names[0], problems_of(keeping))
    without_float64 = run_in_float64(pair, values, keeping.trace) if beside_float64 else ""
    values = replace(values, part=Part.TAKES)
    taking = pair.runs.once(replace(up_to(pair.second, step), values=values), f"layers-takes{step}")
    problems = (*problems_of(keeping), *problems_of(taking))
    if not taking.ended_well and not breaks_off:
        return _failed(pair.names[1], problems)
    measured = _read(taking.stdout.parent / LAYERS)
    if measured is None:
        return LayerReport((), (*problems, f"the layers were not measured: no step {step} was seen"))
    if breaks_off:
        measured = measured.without_one_sided()
    layers = tuple(numbers_of(measured, step))
    # Where a layer is wrong, what follows from it is no wonder.
    around = () if any(layer.flagged for layer in layers) else outside(measured)
    problems = tuple(dict.fromkeys((*problems, *unmeasured(measured), *around)))
    lines = lines_of(measured.definitions, keeping.trace, step)
    named = tuple(_named(measured, pair.names))
    return LayerReport(layers, problems, lines, named, without_float64)


def _failed(name: str, problems: tuple[str, ...]) -> LayerReport:
    return LayerReport((), (*problems, f"the layers were not measured: the run with {name} failed"))


def _read(path: Path) -> LayerMeasurements | None:
    if not path.exists():
        return None
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return LayerMeasurements.from_plain(plain)


def _named(measured: LayerMeasurements, names: tuple[str, str]) -> Iterable[str]:
    used: dict[tuple[str, str], list[str]] = {}
    for settings, name in zip(measured.autocast, names, strict=True):
        for setting in settings:
            used.setdefault(setting, []).append(name)
    for (kind, dtype), by in used.items():
        where = f"with {by[0]}" if len(by) == 1 else "in both runs"
        yield f"torch.autocast computes in {dtype} on {kind}, {where}"
    if measured.compiled:
        yield "compiled code is measured as a whole: the calls within it are not seen"


def run_in_float64(pair: ConditionPair, values: Exchange, first: Path) -> str:
    """Leave the values of the step in a folder within that of `values`; why it could not be, if so.

    `first` is the trace of a run up to that step under the first conditions. Only a model that detaudit
    drives can be cast: for other targets nothing is done, and nothing said.
    """
    if pair.first.target.kind is not TargetKind.MODEL_FILE:
        return ""
    draws = pair.first.draws
    if draws is None:
        draws = Exchange(pair.runs.folder / "float64-draws", Part.KEEPS)
        drawing = pair.runs.once(replace(up_to(pair.first, values.step), draws=draws), "float64-draws")
        if drawing.trace is None or not _same(first, drawing.trace):
            return "no run in float64: the first run gives other bits when its random numbers are kept"
    plan = replace(
        up_to(pair.first, values.step),
        axes=_exactly(pair.first.axes),
        draws=replace(draws, part=Part.TAKES),
        values=Exchange(values.folder / FLOAT64, Part.KEEPS, values.step, replays=False),
    )
    outcome = pair.runs.once(plan, FLOAT64)
    if not outcome.ended_well:
        return "no run in float64: it failed"
    return next((f"no run in float64: {why}" for why in problems_of(outcome)), "")


def _exactly(conditions: Conditions) -> Conditions:
    """Give the conditions with those replaced that make the run exact."""
    return tuple(({one.axis: one for one in conditions} | _EXACT).values())


def _same(first: Path, second: Path) -> bool:
    with TraceReader(first) as one, TraceReader(second) as other:
        return compare(one, other).equal


def lines_of(defined: Mapping[Layer, Site], trace: Path, step: int) -> LayerLines:
    """Collect the lines of the layers that a run defines, and of a step in its trace."""
    events: list[Event] = []
    with TraceReader(trace) as reader:
        for stream in reader.streams:
            if stream.role is StreamRole.MAIN and reader.steps_begun(stream.id) > step:
                events += reader.step(stream.id, step).events
    called = _sites(event for event in events if event.place.kind is Kind.MODULE)
    updated = _sites(
        event for event in events if event.place.kind is Kind.WEIGHT and event.place.phase is Phase.OPTIMIZER
    )
    return LayerLines(defined, called, updated)


def _sites(events: Iterable[Event]) -> dict[Layer, Site]:
    """Find the first line of each layer."""
    found: dict[Layer, Site] = {}
    for event in events:
        if event.site is not None and event.place.module is not None:
            found.setdefault((event.place.root, event.place.module), event.site)
    return found


def unmeasured(measured: LayerMeasurements) -> Iterator[str]:
    """List what could not be measured, each reason once."""
    if not measured.rows:
        yield "no layer was measured: the step calls no module"
    reasons: dict[str, dict[str, None]] = {}
    for (root, path, _, _), why in measured.unkept:
        reasons.setdefault(why, {})[_name(root, path)] = None
    for row, why in _whys(measured):
        root, path, _, _ = row.call
        reasons.setdefault(why, {})[_name(root, path)] = None
    for why, names in reasons.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"not measured alone: {', '.join(list(names)[:_NAMED])}{more}: {why}"


def outside(measured: LayerMeasurements) -> Iterator[str]:
    """Report values computed outside of all modules that cannot be told from another computation.

    A loss is not called again alone. Its gradient may be further apart than the outputs that it is made of,
    but not by any amount.
    """
    reached = max((_apart(row) for row in measured.rows if is_output_of_root(row, measured)), default=0.0)
    for row in measured.rows:
        allowed = max(math.sqrt(row.unit), AMPLIFIED * reached)
        if row.origin is ValueOrigin.OUTSIDE and not _apart(row) <= allowed:
            root, path, _, _ = row.call
            yield (
                f"not measured alone: computations outside of modules; the {row.value} of "
                f"{_name(root, path)} is {_apart(row):.1e} apart, the outputs of modules {reached:.1e}"
            )
            return


def _whys(measured: LayerMeasurements) -> Iterator[tuple[ValueRow, str]]:
    seen = {row.call for row in measured.rows if row.only is None}
    for row in measured.rows:
        if row.why:
            yield row, row.why
        elif row.only is not None and measured.compiled and seen.isdisjoint(calls_around(row.call, measured)):
            yield row, "it runs within compiled code, where no call is seen"


def _name(root: str, path: str) -> str:
    return ".".join(filter(None, (root, path)))


def _apart(row: ValueRow) -> float:
    """Give the distance between the runs; NaN where one of them has numbers that are not finite."""
    return 0.0 if row.propagated is None else row.propagated.relative
