"""Describe in lines what `--vary` showed: which bits, operators and layers differ, and how errors grow."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from detaudit.model.cause import Cause
from detaudit.model.result import AuditResult, Verdict
from detaudit.model.variation import Apart, Growth, LayerNumbers, OperatorNumbers, Promise, Variation
from detaudit.report.lines import Line, Tone, count

MOST_OPERATORS = 5
MOST_LAYERS = 6
LONGEST = 18
"""Letters of a module's path in a table."""
MOST_DECADES = 6
"""Rows of the plot of growth."""

EQUAL = "the same bits"
BITS = "other bits, although the axis must not change them"
UNMEASURED = "other bits; how far apart could not be measured"
OTHER_BITS = "other bits, the same numbers up to rounding"
SAME_NUMBERS = "the same numbers up to rounding"
NOT_ALL_MEASURED = "the same numbers where they could be measured; some could not"
WRONG = "other numbers, by more than rounding"


def headline(result: AuditResult) -> tuple[str, Tone] | None:
    """Give the headline, where the verdict alone would not say enough."""
    if not result.varied:
        return None
    if result.verdict is Verdict.REPRODUCIBLE:
        return (
            ("SAME BITS", Tone.GOOD)
            if all(one.equal for one in result.varied)
            else ("SAME NUMBERS", Tone.GOOD)
        )
    only_rounding = bool(result.findings) and all(
        one.cause == Cause.NUMERIC_SETTING for one in result.findings
    )
    return ("OTHER BITS", Tone.UNSURE) if only_rounding else None


def variation_lines(result: AuditResult) -> Iterator[Line]:
    """One line for each run under other conditions; more where it was measured."""
    for one in result.varied:
        yield Line("varied", f"{one.first} and {one.second}: {_told(result, one)}")
        yield from (Line("", text) for text in one.named)
        yield from _operators(one.operators)
        yield from _layers(one.layers)
        yield from _growth(one.growth)


def _told(result: AuditResult, one: Variation) -> str:
    if one.equal:
        return EQUAL
    if any(layer.flagged for layer in one.layers):
        return WRONG
    if one.promise == Promise.PRECISION:
        return SAME_NUMBERS if result.verdict is Verdict.REPRODUCIBLE else NOT_ALL_MEASURED
    if one.layers or one.operators:
        return OTHER_BITS
    rounding = {finding.origin.run for finding in result.findings if finding.cause == Cause.NUMERIC_SETTING}
    return UNMEASURED if (one.first, one.second) in rounding else BITS


def _operators(operators: Sequence[OperatorNumbers]) -> Iterator[Line]:
    changed = [one for one in operators if one.changed]
    if changed:
        yield from _changed(changed)
    uncompared = [one for one in operators if one.why and not one.changed]
    if uncompared:
        names = ", ".join(dict.fromkeys(f"{one.operator} ({one.why})" for one in uncompared[:2]))
        more = f" and {len(uncompared) - 2} more" if len(uncompared) > 2 else ""  # noqa: PLR2004 - as just shown
        yield Line("", f"not compared: {names}{more}")


def _changed(changed: Sequence[OperatorNumbers]) -> Iterator[Line]:
    """Those that are furthest apart."""
    worst = sorted(changed, key=lambda one: -_ulp(one.apart))[:MOST_OPERATORS]
    rows = [("operator", "phase", "in", "calls", "relative", "ULP")]
    rows += [
        (
            one.operator.removeprefix("aten.").removesuffix(".default"),
            one.phase,
            _shortened(one.module or one.root or "no module"),
            f"{one.changed} of {one.calls}",
            "-" if one.apart is None else f"{one.apart.relative:.1e}",
            f"{_ulp(one.apart):.3g}",
        )
        for one in worst
    ]
    gives = "operator gives" if len(changed) == 1 else "operators give"
    said = f"{len(changed)} {gives} other bits for the same inputs"
    more = f"; the {len(worst)} furthest apart" if len(changed) > len(worst) else ""
    yield Line("operators", said + more)
    yield from _table(rows)


def _layers(layers: Sequence[LayerNumbers]) -> Iterator[Line]:
    """List what was measured in each step; a later step has a table only if a layer in it is flagged."""
    for number, (step, group) in enumerate(groupby(layers, key=lambda one: one.step)):
        measured = list(group)
        fed = {(one.root, one.module) for one in measured if one.isolated is not None}
        flagged = {(one.root, one.module) for one in measured if one.flagged}
        out = count(len(flagged), "layer") if flagged else "none"
        same = f"{count(len(fed), 'layer')} with the same inputs on both sides"
        said = f"step {step}, {same}: {out} out of proportion"
        yield Line("" if number else "layers", said)
        if flagged or not number:
            yield from _layer_table(measured)


def _layer_table(layers: Sequence[LayerNumbers]) -> Iterator[Line]:
    """Those that make a difference before those that only pass one on."""
    differing = [one for one in layers if one.flagged or _relative(one.isolated) or _relative(one.propagated)]
    order = sorted(differing, key=lambda one: (not one.flagged, not _relative(one.isolated), -_share(one)))
    rows = [("layer", "value", "isolated", "propagated", "from float64", "share")]
    rows += [
        (
            f"{_shortened(one.module)} ({one.kind})" if one.module else one.root,
            _as_in_code(one.value),
            _shown(one.isolated),
            _shown(one.propagated),
            _from_float64(one),
            "-" if one.of_allowed is None else f"{one.of_allowed:.2g}",
        )
        for one in order[:MOST_LAYERS]
    ]
    if len(rows) > 1:
        yield from _table(_without_empty_columns(rows))


def _growth(growth: Sequence[Growth]) -> Iterator[Line]:
    """Draw the growth: steps to the right, decades of the relative difference upwards."""
    points = [(one.step, one.weights) for one in growth if one.weights and math.isfinite(one.weights)]
    if len(points) < 2:  # noqa: PLR2004 - one point does not grow
        return
    values = [value for _, value in points]
    first, last = points[0], points[-1]
    ends = (f"{value:.1e} after step {step}" for step, value in (first, last))
    yield Line("growth", f"all weights together, relative: {', '.join(ends)}")
    low, high = math.floor(math.log10(min(values))), math.floor(math.log10(max(values)))
    low = max(low, high - MOST_DECADES + 1)
    for decade in range(high, low - 1, -1):
        marks = "".join("*" if max(low, math.floor(math.log10(value))) == decade else " " for value in values)
        yield Line("", f"1e{decade:+03d} |{marks}", Tone.CODE)
    yield Line(
        "", f"step  {first[0]}{str(last[0]).rjust(max(2, len(values) - len(str(first[0]))))}", Tone.CODE
    )


def _shortened(name: str) -> str:
    """Keep the end of a long path: the end tells modules apart."""
    return name if len(name) <= LONGEST else f"...{name[-LONGEST + 3 :]}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[Line]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield Line("", "  ".join(cells).rstrip(), Tone.CODE)


def _shown(apart: Apart | None) -> str:
    if apart is None:
        return "-"
    return "same bits" if not apart.elements else f"{apart.relative:.1e}"


def _as_in_code(value: str) -> str:
    """Name a value in few letters: `weight.grad`."""
    of = value.removeprefix("gradient of ")
    return of.removeprefix("buffer ") if of == value else f"{of}.grad"


def _from_float64(layer: LayerNumbers) -> str:
    """Both runs, as they run, against one that is all in float64."""
    sides = (layer.first_from_float64, layer.second_from_float64)
    return "-" if None in sides else ", ".join(f"{side:.0e}" for side in sides)


def _without_empty_columns(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    columns = [column for column in zip(*rows, strict=True) if set(column[1:]) != {"-"}]
    return list(zip(*columns, strict=True))


def _relative(apart: Apart | None) -> bool:
    return apart is not None and bool(apart.elements)


def _ulp(apart: Apart | None) -> float:
    return 0.0 if apart is None else apart.ulp


def _share(layer: LayerNumbers) -> float:
    """For sorting: how much of what is allowed the error takes."""
    return layer.of_allowed or 0.0
