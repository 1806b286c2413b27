"""Measure how far the results of two calls of one operator are apart, in numbers for a reader."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from detaudit.replay.distance import apart, furthest


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest distances between two results of one call."""

    elements: int = 0
    """How many elements differ in their bits."""
    absolute: float = 0.0
    relative: float = 0.0
    """Norm of the difference over the larger norm, as everywhere in detaudit."""
    ulp: float | None = None
    """Distance in units in the last place, as everywhere in detaudit; None for integers and truth values."""
    not_a_number: int = 0
    """How many elements are NaN on one side only; they are left out of all distances."""


def difference(first: torch.Tensor, second: torch.Tensor) -> Difference:
    """Measure how far two results are apart; a NaN on one side is counted and left out of the distances."""
    if first.shape != second.shape or first.dtype != second.dtype:
        return Difference(max(first.numel(), second.numel()), float("inf"), float("inf"))
    ours, theirs = _numbers(first), _numbers(second)
    one_sided = _wide(ours).isnan() ^ _wide(theirs).isnan()
    elements = apart(ours, theirs).elements
    # Of the others, the distance is wanted, however far NaN is from everything.
    ours, theirs = _zeroed(ours, one_sided), _zeroed(theirs, one_sided)
    distance = apart(ours, theirs)
    with_places = first.is_floating_point() or first.is_complex()
    relative = float("inf") if math.isnan(distance.relative) else distance.relative
    ulp = distance.ulp if with_places else None
    return Difference(elements, furthest(ours, theirs), relative, ulp, int(one_sided.sum()))


def _numbers(tensor: torch.Tensor) -> torch.Tensor:
    """Return the values of a tensor as a dense row on the CPU; of a quantized tensor, the integers."""
    tensor = tensor.detach().cpu()
    dense = (tensor.int_repr() if tensor.is_quantized else tensor).to_dense()
    return dense.resolve_conj().resolve_neg().reshape(-1).contiguous()


def _wide(row: torch.Tensor) -> torch.Tensor:
    # The narrowest formats have next to no operators of their own.
    return row if row.is_complex() else row.double()


def _zeroed(row: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Copy a row with zeros in some places; by its bytes, since not every format can be filled."""
    copied = row.clone()
    copied.view(torch.uint8).reshape(len(row), row.itemsize)[where] = 0
    return copied


def worse(one: Difference, other: Difference) -> Difference:
    """Take the larger of each number of two differences."""
    steps = [found.ulp for found in (one, other) if found.ulp is not None]
    return Difference(
        max(one.elements, other.elements),
        max(one.absolute, other.absolute),
        max(one.relative, other.relative),
        max(steps, default=None),
        max(one.not_a_number, other.not_a_number),
    )
