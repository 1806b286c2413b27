"""Flag the layers that are wrong: an error out of proportion, made in the layer itself, not inside of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from detaudit.model.codec import from_plain
from detaudit.model.trace import Site
from detaudit.model.variation import Apart, LayerNumbers
from detaudit.replay.arithmetic.beyond_rounding import Error, another_function, lost, out_of_proportion
from detaudit.replay.wire.layers import Identity, MeasuredLayers, ValueOrigin, ValueRow

_FORWARD = "forward"
_MAY_ROUND = 64.0
"""The units in the last place by which weights before the step, and batches, may differ: all are computed."""


@dataclass(frozen=True, slots=True)
class LayerMeasurements:
    """The notes of the second run."""

    rows: tuple[ValueRow, ...]
    parents: dict[Identity, Identity | None]
    """The call within which each call was made."""
    unkept: tuple[tuple[Identity, str], ...]
    compiled: bool
    definitions: dict[tuple[str, str], Site]
    """The line at which the program defines each layer, by root and path."""
    autocast: tuple[tuple[tuple[str, str], ...], ...]
    """Of both runs, the kinds of device and the dtypes for which `torch.autocast` was on."""

    def without_one_sided(self) -> LayerMeasurements:
        """Without the calls and values that one of the runs does not have."""
        both = (row for row in self.rows if row.isolated or row.propagated)
        return replace(self, rows=tuple(both))

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> LayerMeasurements:
        """Read it from JSON."""
        read = from_plain(MeasuredLayers, plain, "layers")
        definitions = {(one.root, one.path): one.site for one in read.definitions}
        return cls(read.rows, dict(read.parents), read.unkept, read.compiled, definitions, read.autocast)


def numbers_of(measured: LayerMeasurements, step: int) -> Iterator[LayerNumbers]:
    """Give the numbers of every layer, with wrong values flagged; of several calls of a layer, the worst."""
    whys = [_why_wrong(row, measured, step) for row in measured.rows]
    makers = _makers(measured, whys)
    worst: dict[tuple[str, ...], LayerNumbers] = {}
    for row, why, maker in zip(measured.rows, whys, makers, strict=True):
        if row.inner and not maker:
            continue
        numbers = _numbers(row, step, why if maker else "")
        key = (numbers.phase, numbers.root, numbers.module, numbers.value)
        if key not in worst or _badness(numbers) > _badness(worst[key]):
            worst[key] = numbers
    yield from worst.values()


def _why_wrong(row: ValueRow, measured: LayerMeasurements, step: int) -> str:
    """Explain what is wrong with a value; empty if nothing is."""
    if row.only is not None:
        return "" if measured.compiled else f"runs in the {row.only} run only"
    if row.origin is ValueOrigin.START:
        # Later, an optimizer has made what it could of rounding: of a gradient that is zero, a whole step.
        return "" if step else _why_other(row)
    if row.origin is ValueOrigin.BATCH:
        return _why_other(row)
    if row.origin is ValueOrigin.OUTSIDE and row.phase == _FORWARD:
        return ""
    return row.wrong or _why_out_of_proportion(row)


def _why_out_of_proportion(row: ValueRow) -> str:
    if row.apart64 is not None and another_function(row.apart64, row.noise, row.unit):
        return f"is computed in different ways in the two runs: {row.apart64:.1e} apart even in float64"
    first, second = row.first, row.second
    if first is None or second is None:
        return ""
    sides = ((second, first, "second"), (first, second, "first"))
    if is_output(row):
        for one, other, name in sides:
            if lost(one, other):
                return (
                    f"rounding destroys it: the {name} run is off by {one.error:.1e} of its size, "
                    f"the other run by {other.error:.1e}"
                )
    if _agree(row.isolated, first, second):
        return ""
    for one, other, name in sides:
        if out_of_proportion(one, other):
            return (
                f"the {name} run is off by {one.error:.1e}, where its dtype explains {one.allowed:.1e} "
                f"and the other run is off by {other.error:.1e}"
            )
    return ""


def _agree(isolated: Apart | None, first: Error, second: Error) -> bool:
    """Say whether the runs give equal numbers within the error that both may have.

    Then it is the reference that is another number: some code depends on the dtype, as the epsilon of
    `nn.RMSNorm` does.
    """
    return isolated is not None and isolated.relative <= first.allowed + second.allowed


def _why_other(row: ValueRow) -> str:
    """Explain what is wrong with a batch, or with a weight before the step; empty if nothing is."""
    apart = row.propagated
    if row.wrong or apart is None or not apart.elements:
        return row.wrong
    if math.isfinite(apart.relative) and apart.relative <= _MAY_ROUND * row.unit:
        return ""
    return f"is not the same in both runs: {apart.elements} of {apart.of} elements differ"


def _makers(measured: LayerMeasurements, whys: list[str]) -> list[bool]:
    """Tell for each value whether it is wrong and was made here: nothing is wrong within the call."""
    absent = {row.call for row in measured.rows if row.only is not None}
    candidates = [
        bool(why) and not _within(row, absent, measured) for row, why in zip(measured.rows, whys, strict=True)
    ]
    excused: set[Identity] = set()
    for row, candidate in zip(measured.rows, candidates, strict=True):
        if candidate and row.origin is ValueOrigin.MADE:
            excused.update(calls_around(row.call, measured))
    return [
        candidate and not (row.origin is ValueOrigin.MADE and row.call in excused)
        for row, candidate in zip(measured.rows, candidates, strict=True)
    ]


def calls_around(call: Identity, measured: LayerMeasurements) -> Iterator[Identity]:
    """List the calls within which a call was made, the innermost first."""
    above = measured.parents.get(call)
    while above is not None:
        yield above
        above = measured.parents.get(above)


def is_output(row: ValueRow) -> bool:
    """Say whether a value is what a module gave."""
    return row.phase == _FORWARD and row.value.startswith("output")


def is_output_of_root(row: ValueRow, measured: LayerMeasurements) -> bool:
    """Say whether a value is what an outermost module gave."""
    return is_output(row) and measured.parents.get(row.call) is None


def _within(row: ValueRow, absent: set[Identity], measured: LayerMeasurements) -> bool:
    """Say whether a call is missing because the one around it is."""
    return row.only is not None and measured.parents.get(row.call) in absent


def _numbers(row: ValueRow, step: int, why: str) -> LayerNumbers:
    first, second = row.first, row.second
    root, path, _, _ = row.call
    return LayerNumbers(
        step=step,
        phase=row.phase,
        root=root,
        module=path,
        kind=row.kind,
        value=row.value,
        propagated=row.propagated,
        isolated=row.isolated,
        first_error=None if first is None else first.error,
        second_error=None if second is None else second.error,
        allowed=None if second is None or math.isinf(second.allowed) else second.allowed,
        of_allowed=_of_allowed(row.isolated, first, second),
        first_from_float64=row.first_from_float64,
        second_from_float64=row.second_from_float64,
        flagged=bool(why),
        why=why or row.why or ("" if row.only is None else "not seen in the other run"),
    )


def _of_allowed(isolated: Apart | None, first: Error | None, second: Error | None) -> float | None:
    """Rate the errors as a share of what they may be; if the reference differs, rate their distance."""
    if first is None or second is None or isolated is None:
        return None
    shares = [one.error / one.allowed for one in (first, second) if one.allowed]
    if max(shares, default=0.0) > 1 and _agree(isolated, first, second):
        return isolated.relative / (first.allowed + second.allowed)
    return max((one for one in shares if not math.isnan(one)), default=None)


def _badness(numbers: LayerNumbers) -> tuple[bool, float, float]:
    return numbers.flagged, numbers.of_allowed or 0.0, numbers.isolated.relative if numbers.isolated else 0.0
