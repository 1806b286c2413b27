"""How far two tensors of one shape and type are apart: absolute, relative, and in units in the last place."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_WHOLE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The integers that are as wide as a floating-point number of so many bytes."""

_LARGEST = torch.iinfo(torch.int64).max


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest differences between the elements of two tensors."""

    elements: int
    """How many differ in their bits."""
    absolute: float
    relative: float
    """In terms of the larger of the two."""
    ulp: int | None
    """How many floating-point numbers further one is than the other; None for other numbers."""
    not_a_number: int
    """Elements of which one is NaN and the other is not; they are in none of the other numbers."""


def difference(first: torch.Tensor, second: torch.Tensor) -> Difference:
    """Compare two tensors element by element."""
    ours, theirs = plain(first), plain(second)
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return Difference(max(ours.numel(), theirs.numel()), float("inf"), float("inf"), None, 0)
    wide, other = ours.double(), theirs.double()
    # Equal infinities, and two NaN, are no distance apart.
    same = (wide == other) | (wide.isnan() & other.isnan())
    one_sided = wide.isnan() ^ other.isnan()
    apart = (wide - other).abs().masked_fill(same | one_sided, 0.0)
    scale = torch.maximum(wide.abs(), other.abs()).masked_fill(same | one_sided, 1.0)
    # Against infinity everything is infinitely far away.
    relative = (apart / scale).nan_to_num(nan=float("inf"))
    ulp = None
    if ours.dtype.is_floating_point:
        ulp = int(_largest(_steps(ours, theirs).masked_fill(same | one_sided, 0)))
    elements = int((bits(ours) != bits(theirs)).any(dim=-1).sum())
    return Difference(elements, _largest(apart), _largest(relative), ulp, int(one_sided.sum()))


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor's values as one row of real numbers, on the CPU."""
    tensor = tensor.detach().cpu()
    if tensor.is_quantized:
        tensor = tensor.int_repr()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    flat = tensor.resolve_conj().resolve_neg().reshape(-1).contiguous()
    return torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat


def bits(flat: torch.Tensor) -> torch.Tensor:
    """The bytes of each element of a row."""
    return flat.view(torch.uint8).reshape(len(flat), flat.itemsize)


def ordered(flat: torch.Tensor) -> torch.Tensor:
    """Number the floating-point values in order: neighbours differ by one, and both zeros are 0."""
    whole = flat.view(_WHOLE[flat.itemsize])
    mirrored = torch.iinfo(whole.dtype).min - whole.long()
    return torch.where(whole < 0, mirrored, whole.long())


def _steps(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """How many floating-point numbers lie between the elements; the largest integer where it is more."""
    left, right = ordered(ours), ordered(theirs)
    too_far = ((left < 0) != (right < 0)) & (left.abs() > _LARGEST - right.abs())
    return (left - right).abs().masked_fill(too_far, _LARGEST)


def _largest(values: torch.Tensor) -> float:
    return values.max().item() if values.numel() else 0
