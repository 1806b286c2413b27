"""Estimate the length of the sums within an operator, and the rounding error of a plain loop of that length.

Measured on torch's CPU kernels: `sum` adds in pairs and loses next to nothing, batch normalisation with the
channels last in memory adds one row at a time. Products of matrices and
convolutions lose up to 0.6 units in the last place times the square root of their length. Gradients of biases
and of embeddings are added up one by one: where all numbers are the same, that loses up to a twentieth of a
unit for each.
"""

from __future__ import annotations

import math
from typing import Any

import torch

_PRODUCTS = frozenset({"mm", "addmm", "bmm", "baddbmm", "dot", "mv", "addmv"})
_NORM_BACKWARD = frozenset(
    {"native_layer_norm_backward", "native_batch_norm_backward", "native_group_norm_backward",
     "_fused_rms_norm_backward"}
)  # fmt: skip
STATISTICS = {"native_batch_norm": (3, 4), "_native_batch_norm_legit": (3, 4), "cudnn_batch_norm": (3, 4)}
"""Positions of arguments that batch normalisation writes to, although its schema does not say so."""
_TRAINING = 5
"""Position of the argument that says whether batch normalisation uses the batch's own mean."""
_TRANSPOSED, _GROUPS = 7, 9
"""Positions of two arguments of a convolution's backward: `transposed` and `groups`."""
_ADDED_TO = frozenset(
    {"index_add", "index_add_", "scatter_add", "scatter_add_", "index_reduce", "scatter_reduce"}
)
_WITHIN, _OF_PRODUCTS, _OF_LOOPS, _WALK = 1 / 8, 1 / 8, 1 / 16, 1 / 2
_OF_IMAGES = 4
"""Number of dimensions of a batch of images; the second dimension is the channels."""


def loss_within(name: str, args: Any) -> float:
    """Return how far to move the terms of an operator's sums, in units in the last place."""
    return _WITHIN * math.sqrt(_products(name, _tensors(args)))


def losses_of_results(name: str, args: Any) -> tuple[float, ...]:
    """Return how far each result may be off, in units in the last place; the last entry is for all others."""
    tensors = _tensors(args)
    if name in _PRODUCTS or name == "convolution":
        return (_by_products(_products(name, tensors)),)
    if name == "convolution_backward":
        gradient, value, weight = tensors[:3]
        of_input, of_weight = (
            weight.numel() / max(1, value.shape[1]),
            gradient.numel() / max(1, gradient.shape[1]),
        )
        return _by_products(of_input), _by_products(of_weight), _by_loop(of_weight)
    if name in _NORM_BACKWARD and len(tensors) > 1:
        # All rows are added for a weight; how many there are at most is the size of the whole.
        rows = _by_loop(tensors[0].numel() / max(1, tensors[-1].numel()))
        return 1.0, rows, rows
    if name == "embedding_dense_backward":
        return (_by_loop(tensors[1].numel()),)
    if name in _ADDED_TO:
        return (_by_loop(max(one.numel() for one in tensors[1:]) / max(1, tensors[0].numel())),)
    return (1.0,)


def losses_by_loops(name: str, args: Any, results: Any) -> dict[int, torch.Tensor]:
    """Return how far sums of gradients may be off if they cancel: absolute errors, by position of the result.

    The error of a loop depends on its partial sums, which are larger than the last sum.
    """
    tensors = _tensors(args)
    if name in STATISTICS and args[_TRAINING]:
        return _by_statistics(tensors[0], results)
    if name == "convolution_backward":
        positions = [2]
    elif name in _NORM_BACKWARD:
        positions = [1, 2]
    else:
        return {}
    gradient, found = tensors[0], {}
    for position in positions:
        if position < len(results) and results[position] is not None and results[position].numel():
            found[position] = _walked(gradient, results[position].shape)
    if name == "convolution_backward" and results[1] is not None:
        found[1] = _by_images(*tensors[:3], transposed=args[_TRANSPOSED], groups=args[_GROUPS])
    return found


def _by_images(
    gradient: torch.Tensor, value: torch.Tensor, weight: torch.Tensor, *, transposed: bool, groups: int
) -> torch.Tensor:
    """Bound from above the sum of all absolute products in a weight's gradient, times a constant.

    By Cauchy and Schwarz. A loop over many images has this error if its sums drift and cancel at the end.
    """
    first, second = (value, gradient) if transposed else (gradient, value)
    ones, others = (_norm_of_channels(one).reshape(groups, -1) for one in (first, second))
    products = ones.unsqueeze(2) * others.unsqueeze(1) * _WALK
    return products.reshape(weight.shape[0], -1, *[1] * (weight.dim() - 2))


def _norm_of_channels(images: torch.Tensor) -> torch.Tensor:
    norms: torch.Tensor = torch.linalg.vector_norm(images.transpose(0, 1).reshape(images.shape[1], -1), dim=1)
    return norms


def losses_of_written(name: str, args: Any) -> dict[int, float]:
    """Return how far the arguments that an operator writes to may be off, by position, in last places."""
    if name not in STATISTICS or not args[_TRAINING]:
        return {}
    rows = args[0].numel() / max(1, args[0].shape[1])
    return {position: _by_loop(rows) for position in STATISTICS[name] if args[position] is not None}


def _by_statistics(value: torch.Tensor, results: Any) -> dict[int, torch.Tensor]:
    """Return how far the mean and scale of each channel may be off, and the output normalised with them."""
    mean, scale = results[1], results[2]
    if not mean.numel():
        return {}
    loss = _OF_LOOPS * value.numel() / max(1, value.shape[1])
    of_output = ((mean * scale).abs() * loss).reshape(1, -1, *[1] * (value.dim() - 2))
    return {0: of_output, 1: mean.abs() * loss, 2: scale * loss}


def _walked(gradient: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return, for each sum of that shape, the norm of its terms times the square root of their number."""
    if gradient.shape[gradient.dim() - len(shape) :] == shape and gradient.dim() != _OF_IMAGES:
        terms = gradient.reshape(-1, *shape)
    else:
        terms = gradient.transpose(0, 1).reshape(gradient.shape[1], -1).t()
    norms = torch.linalg.vector_norm(terms, dim=0)
    walked: torch.Tensor = norms.reshape(shape) * _WALK * math.sqrt(len(terms))
    return walked


def _products(name: str, tensors: list[torch.Tensor]) -> float:
    """Return how many products the operator adds up for one of its results."""
    if name in _PRODUCTS:
        return float(max(1, tensors[-2].shape[-1]))
    if name == "convolution":
        return tensors[1].numel() / max(1, tensors[1].shape[0])
    if name == "convolution_backward":
        gradient, _, weight = tensors[:3]
        return max(weight.numel(), gradient.numel()) / max(1, gradient.shape[1])
    return 1.0


def _by_products(length: float) -> float:
    return 1 + _OF_PRODUCTS * math.sqrt(length)


def _by_loop(length: float) -> float:
    return 1 + _OF_LOOPS * length


def _tensors(args: Any) -> list[torch.Tensor]:
    return [value for value in args if isinstance(value, torch.Tensor)]
