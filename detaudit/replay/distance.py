"""Measure how far two tensors are apart: relatively, in units in the last place, in differing elements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from detaudit.model.variation import Apart

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The integer types of the same size as an element, by its size in bytes."""


def apart(first: torch.Tensor, second: torch.Tensor) -> Apart:
    """Measure how far two tensors of any dtypes and devices are apart.

    Infinities and NaNs that both have in the same place count as equal; if only one tensor has one, the
    relative distance is NaN and the distance in units infinite. Raises ValueError if the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {tuple(first.shape)} and {tuple(second.shape)}")
    ones, others = _plain(first), _plain(second)
    differing = _differing(ones, others)
    count = int(differing.sum())
    if not count:
        return Apart(0.0, 0.0, 0, differing.numel())
    ones, others = _reals(ones, others)
    a, b = ones.to(torch.float64), others.to(torch.float64)
    same = (a == b) | (a.isnan() & b.isnan())
    if bool(((~a.isfinite() | ~b.isfinite()) & ~same).any()):
        return Apart(math.nan, math.inf, count, differing.numel())
    a, b = a.masked_fill(~a.isfinite(), 0.0), b.masked_fill(~b.isfinite(), 0.0)
    units = _units(a, b, ones.dtype, others.dtype)
    if not (ones.is_floating_point() or others.is_floating_point()):
        # Neighbours among large integers are one number in float64.
        units = torch.maximum(units, differing.to(torch.float64))
    return Apart(relative_distance(a, b), float(units.max()), count, differing.numel())


def furthest(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the largest absolute distance of two elements of tensors that have one shape and dtype."""
    ones, others = _reals(_plain(first), _plain(second))
    a, b = ones.to(torch.float64), others.to(torch.float64)
    # Equal infinities, and two NaN, are no distance apart.
    same = (a == b) | (a.isnan() & b.isnan())
    return float((a - b).abs().masked_fill(same, 0.0).max()) if a.numel() else 0.0


def relative_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the norm of the difference of two finite float64 tensors over the larger of their norms."""
    largest = float(torch.maximum(a.abs(), b.abs()).max()) if a.numel() else 0.0
    if not largest:
        return 0.0
    # By a power of two, which rounds nothing: squares of very large or small numbers leave the range.
    scale = 2.0 ** -min(max(math.frexp(largest)[1], -1000), 1000)
    a, b = a * scale, b * scale
    norm = max(float(torch.linalg.vector_norm(a)), float(torch.linalg.vector_norm(b)))
    return float(torch.linalg.vector_norm(a - b)) / norm


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return the values as a dense tensor on the CPU."""
    plain = tensor.detach()
    if plain.is_quantized:
        plain = plain.dequantize()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    return plain.cpu().resolve_conj().resolve_neg().contiguous()


def _differing(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return which elements differ: in a bit, or in value where the dtypes differ."""
    if first.dtype != second.dtype:
        return (first != second) & ~(first.isnan() & second.isnan())
    if first.is_complex():
        parts = _bits(torch.view_as_real(first)) != _bits(torch.view_as_real(second))
        return parts.any(-1)
    return _bits(first) != _bits(second)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(_BITS[tensor.itemsize]) if tensor.is_floating_point() else tensor


def _reals(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers as real ones: real and imaginary parts side by side."""
    if not (first.is_complex() or second.is_complex()):
        return first, second
    ones, others = (
        tensor if tensor.is_complex() else tensor.to(torch.complex128) for tensor in (first, second)
    )
    return torch.view_as_real(ones), torch.view_as_real(others)


def _units(a: torch.Tensor, b: torch.Tensor, *dtypes: torch.dtype) -> torch.Tensor:
    """Return the distance of each pair of elements, in last-place units of the coarser dtype."""
    largest = torch.maximum(a.abs(), b.abs())
    return (a - b).abs() / torch.stack([_spacing(largest, dtype) for dtype in dtypes]).amax(0)


def _spacing(sizes: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the distance of neighbouring numbers of a dtype at these sizes."""
    if not dtype.is_floating_point:
        return torch.ones_like(sizes)
    info = torch.finfo(dtype)
    _, exponent = torch.frexp(sizes.clamp(min=info.smallest_normal))
    # In two steps: for float64, the product of the smallest two factors is no normal number.
    power = torch.ldexp(torch.ones_like(sizes), exponent - 1)
    return (power * info.eps).clamp(min=torch.finfo(torch.float64).smallest_normal * 2.0**-52)


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest distances between two results of one call."""

    elements: int = 0
    """Number of elements that differ in their bits."""
    absolute: float = 0.0
    relative: float = 0.0
    """Norm of the difference over the larger norm, as everywhere in detaudit."""
    ulp: float | None = None
    """Distance in units in the last place, as everywhere in detaudit; None for integers and truth values."""
    not_a_number: int = 0
    """Number of elements that are NaN on one side only; they are left out of all distances."""


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
