"""Measure layer by layer how far two runs are apart, and which layer makes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detaudit.model.plan import Exchange, Part, RunOutcome, RunPlan
from detaudit.model.trace import Level
from detaudit.model.variation import LayerNumbers
from detaudit.record.values.proportion import MEASURED
from detaudit.trace.reader import TraceReader
from detaudit.vary.layer_flags import Measured, numbers_of
from detaudit.vary.pair import Pair, ended_well

_NAMED = 3
"""How many layers a message names."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """What measuring the layers of one step gave."""

    layers: tuple[LayerNumbers, ...]
    problems: tuple[str, ...] = ()
    """What could not be measured, to be said to the user."""


def measure_layers(pair: Pair, step: int) -> LayerReport:
    """Run both sides up to a step once more; the second is fed what every module of the first was fed."""
    folder = pair.folder / "values"
    folder.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    outcome: RunOutcome | None = None
    for plan, part, name in ((pair.first, Part.KEEPS, "keeps"), (pair.second, Part.TAKES, "takes")):
        outcome = pair.run(_with_values(plan, Exchange(folder, part, step)), f"layers-{name}")
        problems += _problems_of(outcome)
        if not ended_well(outcome):
            text = f"the layers were not measured: the run with {pair.names[part is Part.TAKES]} failed"
            return LayerReport((), (*problems, text))
    measured = None if outcome is None else _read(outcome.stdout.parent / MEASURED)
    if measured is None:
        return LayerReport((), (*problems, f"the layers were not measured: no step {step} was seen"))
    return LayerReport(tuple(numbers_of(measured, step)), tuple(dict.fromkeys((*problems, *_said(measured)))))


def _with_values(plan: RunPlan, values: Exchange) -> RunPlan:
    """The same run, up to the end of the step."""
    return replace(plan, runs=1, level=Level.LAYER, steps=values.step + 1, values=values, sketches=False)


def _problems_of(outcome: RunOutcome) -> Iterable[str]:
    if outcome.trace is None:
        return ()
    with TraceReader(outcome.trace) as reader:
        return reader.info.problems


def _read(path: Path) -> Measured | None:
    if not path.exists():
        return None
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Measured.from_plain(plain)


def _said(measured: Measured) -> Iterable[str]:
    """What kept layers from being measured, each reason once."""
    if not measured.rows:
        yield "no layer was measured: the step calls no module"
    if measured.compiled:
        yield "what runs compiled is not looked into: of its layers, only those that run eagerly are measured"
    reasons: dict[str, list[str]] = {}
    for (root, path, _, _), why in measured.unkept:
        reasons.setdefault(why, []).append(".".join(filter(None, (root, path))))
    for row in measured.rows:
        if row["why"]:
            root, path, _, _ = row["call"]
            reasons.setdefault(row["why"], []).append(".".join(filter(None, (root, path))))
    for why, names in reasons.items():
        distinct = list(dict.fromkeys(names))
        more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
        yield f"not measured alone: {', '.join(distinct[:_NAMED])}{more}: {why}"
