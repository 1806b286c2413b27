"""Measure layer by layer how far two runs are apart, and which layer makes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detaudit.model.plan import Exchange, Part
from detaudit.model.variation import LayerNumbers
from detaudit.replay.wire.files import LAYERS
from detaudit.vary.float64_run import run_in_float64
from detaudit.vary.layer_flags import Measured, numbers_of
from detaudit.vary.layer_lines import LayerLines, lines_of
from detaudit.vary.pair import Pair, problems_of, up_to
from detaudit.vary.unmeasured import outside, unmeasured


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
    pair: Pair, step: int, *, beside_float64: bool = True, breaks_off: bool = False
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


def _read(path: Path) -> Measured | None:
    if not path.exists():
        return None
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Measured.from_plain(plain)


def _named(measured: Measured, names: tuple[str, str]) -> Iterable[str]:
    used: dict[tuple[str, str], list[str]] = {}
    for settings, name in zip(measured.autocast, names, strict=True):
        for setting in settings:
            used.setdefault(setting, []).append(name)
    for (kind, dtype), by in used.items():
        where = f"with {by[0]}" if len(by) == 1 else "in both runs"
        yield f"torch.autocast computes in {dtype} on {kind}, {where}"
    if measured.compiled:
        yield "compiled code is measured as a whole: the calls within it are not seen"
