"""Collect the lines to look at for a layer: where it is defined, called and updated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detaudit.model.trace import Event, Kind, Phase, Site, StreamRole
from detaudit.model.variation import LayerNumbers
from detaudit.trace.reader import TraceReader

Layer = tuple[str, str]
"""Root, and path below it."""


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
