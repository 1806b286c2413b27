"""Compare one value of two runs in numbers: as the runs recorded it, and computed from equal inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import torch

from detaudit.model.variation import Apart
from detaudit.replay.arithmetic.beyond_rounding import another_function, out_of_proportion
from detaudit.replay.arithmetic.float64 import Rounding
from detaudit.replay.calls.replay import ValueKey
from detaudit.replay.distance import apart
from detaudit.replay.draws.common import BlockDraws
from detaudit.replay.modules.files import Replayed
from detaudit.replay.modules.in_runs import InRuns
from detaudit.replay.modules.references import Compute, Reference, tried_more
from detaudit.replay.modules.replays import replay_other, with_references
from detaudit.replay.wire.layers import Identity, Numbers, ValueOrigin, ValueRow


def named(
    numbers: Numbers, call: Identity, kind: str, key: ValueKey, origin: ValueOrigin, *, inner: bool = False
) -> ValueRow:
    """Put the numbers of a value into a row with the name of its call and value."""
    phase, value = key
    found = {one.name: getattr(numbers, one.name) for one in fields(Numbers)}
    return ValueRow(call=call, kind=kind, phase=phase, value=value, origin=origin, inner=inner, **found)


def rows_of(
    first: Replayed, compute: Compute[Any], rounding: Rounding, in_runs: InRuns
) -> Iterator[tuple[Any, Numbers]]:
    """Run a piece of the first run's program in this run on equal inputs, and measure every value."""
    if first.why:
        yield from ((key, _in_runs(Numbers(why=first.why), in_runs, key)) for key in in_runs.keys)
        return
    second = _Second(first, compute, rounding)
    for key in dict.fromkeys((*first.values, *second.values, *in_runs.keys)):
        yield key, _in_runs(second.row(key), in_runs, key)


def _in_runs(row: Numbers, in_runs: InRuns, key: Any) -> Numbers:
    """Add to the row how far the value is apart in the runs; return the row."""
    row.propagated = _distance(in_runs.first.get(key), in_runs.second.get(key))
    return beside_float64(row, in_runs, key)


def beside_float64(row: Numbers, in_runs: InRuns, key: Any) -> Numbers:
    """Add to the row how far both runs are from the run in float64; return the row."""
    row.first_from_float64 = in_runs.off(in_runs.first, key)
    row.second_from_float64 = in_runs.off(in_runs.second, key)
    return row


class _Second:
    """The second run's side of one piece of the program."""

    def __init__(self, first: Replayed, compute: Compute[Any], rounding: Rounding) -> None:
        self._first, self._compute, self._unit = first, compute, rounding.unit
        self.values, self._why = replay_other(compute, first.draws)
        self._own: dict[Any, Reference] = {}
        if first.references:
            self._own, _ = with_references(compute, first.draws, rounding)
        self._tried = False

    def row(self, key: Any) -> Numbers:
        """Measure one value."""
        if self._why:
            return Numbers(why=self._why)
        one, other = self._first.values.get(key), self.values.get(key)
        if one is None or other is None:
            return Numbers(wrong=_missing(key, one)) if one is not None or other is not None else Numbers()
        if one.shape != other.shape:
            return Numbers(
                wrong=f"shape {tuple(one.shape)} in the first run, {tuple(other.shape)} in the second"
            )
        row = Numbers(isolated=_distance(one, other), why=self._first.without_reference)
        row.wrong = self._exactly_wrong(key, one, other)
        self._errors(row, key, one, other)
        if self._is_suspicious(row) and not self._tried:
            self._try_more()
            self._errors(row, key, one, other)
        return row

    def _errors(self, row: Numbers, key: Any, one: torch.Tensor, other: torch.Tensor) -> None:
        reference = self._first.references.get(key)
        if reference is None:
            return
        first, second = (
            reference.error_of(one, self._first.rounding.unit),
            reference.error_of(other, self._unit),
        )
        own = self._own.get(key)
        if second is not None and own is not None:
            # A coarser dtype answers in its own way: where the unit is another, so are the trials.
            noise = max(second.noise, own.relative_noise() * self._unit / own.rounding.unit)
            second = replace(second, noise=noise)
        row.first, row.second = first, second
        row.noise, row.unit = reference.relative_noise(), reference.rounding.unit
        row.apart64 = None if own is None else reference.apart(own)

    def _is_suspicious(self, row: Numbers) -> bool:
        """Say whether an error seems too large, but more trials may still explain it."""
        if row.first is None or row.second is None:
            return False
        if row.apart64 is not None and another_function(row.apart64, row.noise, row.unit):
            return False
        return out_of_proportion(row.first, row.second) or out_of_proportion(row.second, row.first)

    def _try_more(self) -> None:
        self._tried = True
        draws: BlockDraws = self._first.draws
        self._own = tried_more(self._compute, draws, self._own)

    def _exactly_wrong(self, key: Any, one: torch.Tensor, other: torch.Tensor) -> str:
        """Describe a difference that no rounding explains; an empty text if there is none."""
        references = (self._first.references.get(key), self._own.get(key))
        if not (one.is_floating_point() or one.is_complex()):
            unsettled = any(reference is not None and reference.unsettled for reference in references)
            return "" if unsettled or torch.equal(one.cpu(), other.cpu()) else "other whole numbers"
        finite = bool(one.isfinite().all()), bool(other.isfinite().all())
        if all(finite) or torch.equal(one.isfinite().cpu(), other.isfinite().cpu()):
            return ""
        if not any(finite):
            return "NaN or infinity in other places"
        return f"NaN or infinity in the {'first' if finite[1] else 'second'} run only"


def _missing(key: Any, one: torch.Tensor | None) -> str:
    where = "second" if one is not None else "first"
    return f"no gradient in the {where} run" if "gradient" in str(key) else f"not made in the {where} run"


def _distance(one: torch.Tensor | None, other: torch.Tensor | None) -> Apart | None:
    if one is None or other is None or one.shape != other.shape:
        return None
    return apart(one, other)
