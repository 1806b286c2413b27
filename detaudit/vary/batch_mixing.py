"""Tell rounding from mixed samples for each module, by distances in two dtypes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from detaudit.model.variation import LayerNumbers
from detaudit.replay.wire.batches import TRAINING, AboutModule, BatchAnswer, Distance, ModeAnswer, SampleRow

_FLOAT64_ROUNDING = 2.0**-40
"""A relative difference far above rounding in float64, even for a sum that cancels (a factor of some
thousands)."""
_SHRINKS = 2.0**-14
"""The least factor by which rounding shrinks from float32 to float64: 2**-29, with a wide margin for
chance."""
_LOW_ROUNDING = {"float32": 2.0**-13, "bfloat16": 2.0**-2, "float16": 2.0**-4}
"""Relative differences above rounding in these dtypes, for models that cannot be run in float64."""

LayerPlace = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Mixing:
    """A module in which a sample's numbers depend on what else is in its batch, beyond rounding."""

    mode: str
    """`evaluation` or `training`."""
    module: str
    """Path below the root; empty: the root's own code."""
    kind: str
    """Class of the module."""
    how: str
    by_definition: bool
    """True for batch normalisation in training mode."""
    relative: float | None
    """The largest distance between the sample's values; None where that was not measured."""
    ambiguous: bool = False
    """True if the samples of the batches may not lie in dimension 0."""


def mixing_in(mode: str, found: ModeAnswer, modules: dict[str, AboutModule]) -> Iterator[Mixing]:
    """Find the innermost modules that mix samples in one mode."""
    swapped, isolated, padded = (
        _beyond_rounding(found, measure) for measure in ("swapped", "isolated", "padded")
    )
    called = {row.module for row in found.rows}
    by_definition = {
        path
        for path, about in modules.items()
        if path in called and about.batch_norm and about.training and mode == TRAINING
    }
    mixes = swapped.keys() | by_definition
    for path, about in modules.items():
        if path in by_definition:
            how = "normalises over the batch in training mode, by definition"
            yield Mixing(mode, path, about.kind, how, by_definition=True, relative=swapped.get(path))
        elif path in swapped:
            if not holds_one(path, mixes):
                yield _unasked(mode, path, about, swapped[path], "changes with the sample's neighbours")
        elif path in isolated:
            if not holds_one(path, isolated.keys() | mixes):
                how = "changes with the size of the batch or the sample's position in it"
                yield _unasked(mode, path, about, isolated[path], how)
        elif path in padded and not holds_one(path, padded.keys() | isolated.keys() | mixes):
            how = "changes with the padding of the sample: are the padded tokens masked?"
            yield _unasked(mode, path, about, padded[path], how)


def _unasked(mode: str, path: str, about: AboutModule, relative: float, how: str) -> Mixing:
    second = about.batch_second
    if second:
        how = f"takes dimension 1 as the batch (batch_first=False): {how}"
    return Mixing(mode, path, about.kind, how, about.batch_norm, relative, second)


def holds_one(path: str, others: Collection[str]) -> bool:
    """Say whether one of the other modules is a part of this one."""
    return any(other != path and (not path or other.startswith(f"{path}.")) for other in others)


def _beyond_rounding(found: ModeAnswer, measure: str) -> dict[str, float]:
    """Find the modules that differ by more than rounding, with the largest relative distance."""
    low, high = _low_and_high(found)
    modules: dict[str, float] = {}
    for place, row in (low if high is None else high).items():
        distance = _measured(row, measure)
        if distance is None:
            continue
        coarse = _measured(low[place], measure) if place in low else None
        if high is None:
            beyond = _in_low_dtype(distance, found.dtype) and measure == "swapped"
        else:
            beyond = _stays(distance, coarse, forward=place[1] == "forward" and measure == "swapped")
        if beyond:
            relative = distance.apart.relative
            modules[place[0]] = _larger(modules.get(place[0], 0.0), relative)
    return modules


def _low_and_high(
    found: ModeAnswer,
) -> tuple[dict[LayerPlace, SampleRow], dict[LayerPlace, SampleRow] | None]:
    """Give the rows in the lower dtype and the rows in float64, by their places."""
    own, other = _by_place(found.rows), found.other_rows
    if found.dtype != "float64":
        return own, None if other is None else _by_place(other)
    return ({} if other is None else _by_place(other)), own


def _measured(row: SampleRow, measure: str) -> Distance | None:
    distance: Distance | None = getattr(row, measure)
    return distance


def _by_place(rows: tuple[SampleRow, ...]) -> dict[LayerPlace, SampleRow]:
    return {(row.module, row.phase, row.value): row for row in rows}


def _stays(fine: Distance, coarse: Distance | None, *, forward: bool) -> bool:
    """Say whether a distance in float64 is larger than rounding would leave."""
    if not fine.apart.elements:
        return False
    if math.isnan(fine.apart.relative):
        return True
    if fine.apart.relative <= _FLOAT64_ROUNDING:
        return False
    if coarse is None or not coarse.apart.elements:
        # A gradient that is zero but for rounding can be exactly zero in one dtype and not in the other.
        return forward
    return math.isnan(coarse.norm) or fine.norm > _SHRINKS * coarse.norm


def _in_low_dtype(distance: Distance, dtype: str) -> bool:
    relative = distance.apart.relative
    return bool(distance.apart.elements) and not relative <= _LOW_ROUNDING.get(dtype, math.inf)


def _larger(one: float, other: float) -> float:
    return math.nan if math.isnan(one) or math.isnan(other) else max(one, other)


def unsettled_in(found: ModeAnswer, mixing: list[Mixing]) -> list[str]:
    """List what cannot be told, for lack of a second dtype or of a module that is found to mix samples."""
    rows = found.rows
    if found.other_rows is not None:
        if mixing or not _beyond_rounding(found, "propagated"):
            return []
        reasons = sorted({f"{row.module or 'the model'}: {row.why}" for row in rows if row.why})
        why = "; ".join(reasons) or "no module does so by itself"
        text = (
            "a sample's numbers depend on its batch by more than rounding, and which module causes this is "
        )
        return [f"{text}not known ({why})"]
    if not any(row.propagated and row.propagated.apart.elements for row in rows):
        return []
    reason = f"the model cannot be run in another dtype ({found.other_problem})"
    return [f"a sample's numbers depend on its batch; whether only by rounding is not known: {reason}"]


def numbers_of(
    mode: str, found: ModeAnswer, answer: BatchAnswer, mixing: list[Mixing]
) -> tuple[LayerNumbers, ...]:
    """Give the numbers of every value in one mode; values of modules that mix samples are flagged."""
    hows = {one.module: one.how for one in mixing if one.mode == mode}
    return tuple(_numbers(row, answer, hows) for row in found.rows)


def _numbers(row: SampleRow, answer: BatchAnswer, hows: dict[str, str]) -> LayerNumbers:
    path, propagated = row.module, row.propagated
    by_itself = [one.apart for one in (row.isolated, row.swapped, row.padded) if one is not None]
    flagged = path in hows and any(one.elements for one in by_itself)
    furthest = max(by_itself, key=lambda one: (math.isnan(one.relative), one.relative), default=None)
    return LayerNumbers(
        step=0,
        phase=row.phase,
        root=answer.root,
        module=path,
        kind=answer.modules[path].kind,
        value=row.value,
        propagated=None if propagated is None else propagated.apart,
        isolated=furthest,
        first_error=None,
        second_error=None,
        allowed=None,
        flagged=flagged,
        why=hows[path] if flagged else row.why,
    )
