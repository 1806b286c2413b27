"""Find which part of a tensor inside a model belongs to which sample of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


class UncuttableError(Exception):
    """It is not known which part of a value belongs to which sample."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the samples of a batch lie in a tensor."""

    dim: int
    """The dimension that grows with the batch; -1 if the tensor belongs to all samples together."""
    each: int = 1
    """Number of entries that each sample has in that dimension: tokens, heads, windows."""
    together: bool = True
    """Whether the entries of a sample lie side by side; else the entries of all samples take turns."""

    @property
    def shared(self) -> bool:
        """Whether no part of the tensor belongs to one sample alone."""
        return self.dim < 0

    def entries(self, positions: Sequence[int], size: int) -> list[int]:
        """Return the entries of the samples at these positions in a batch of `size`, in the batch's order."""
        if self.together:
            return [position * self.each + number for position in positions for number in range(self.each)]
        return [number * size + position for number in range(self.each) for position in positions]

    def fits(self, tensor: torch.Tensor, size: int) -> bool:
        """Say whether a tensor has room for exactly so many samples."""
        return self.shared or (self.dim < tensor.ndim and tensor.shape[self.dim] == self.each * size)

    def take(self, tensor: torch.Tensor, positions: Sequence[int], size: int) -> torch.Tensor:
        """Return the part of the samples at these positions, in the memory order of the tensor."""
        if self.shared:
            return tensor
        index = torch.tensor(self.entries(positions, size), device=tensor.device)
        return _ordered_as(tensor.index_select(self.dim, index), tensor)

    def put(
        self, tensor: torch.Tensor, part: torch.Tensor, positions: Sequence[int], size: int
    ) -> torch.Tensor:
        """Copy the tensor, with another part for the samples at these positions."""
        if self.shared:
            return part.clone()
        index = torch.tensor(self.entries(positions, size), device=tensor.device)
        return tensor.clone().index_copy_(self.dim, index, part)


SHARED = Layout(-1)


def find_layout(small: torch.Tensor, large: torch.Tensor, sizes: tuple[int, int]) -> Layout | None:
    """Find how samples lie in a value, given in batches of two sizes that begin with the same sample.

    Returns None where the shapes do not tell.
    """
    if small.ndim != large.ndim or small.layout is not torch.strided or large.layout is not torch.strided:
        return None
    grown = [dim for dim in range(small.ndim) if small.shape[dim] != large.shape[dim]]
    if not grown:
        return SHARED
    dim = grown[0]
    each, rest = divmod(small.shape[dim], sizes[0])
    if len(grown) > 1 or rest or large.shape[dim] != each * sizes[1]:
        return None
    layouts = [Layout(dim, each), Layout(dim, each, together=False)]
    return layouts[0] if each == 1 else min(layouts, key=lambda one: _distance(one, small, large, sizes))


def _distance(layout: Layout, small: torch.Tensor, large: torch.Tensor, sizes: tuple[int, int]) -> float:
    """Measure how far the first sample's values are apart if the samples lie in this layout."""
    one, other = layout.take(small, [0], sizes[0]), layout.take(large, [0], sizes[1])
    wide = torch.complex128 if one.is_complex() else torch.float64
    return float((one.to(wide) - other.to(wide)).abs().nan_to_num(0.0, 0.0, 0.0).sum())


def _ordered_as(tensor: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """Return the tensor in the memory order of the dimensions of `model`, on which kernels depend."""
    strides = model.stride()
    order = sorted(range(model.ndim), key=lambda dim: -strides[dim])
    back = [order.index(dim) for dim in range(model.ndim)]
    return tensor.permute(order).contiguous().permute(back)
