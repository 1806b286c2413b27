"""Compute values of a piece of the program in float64, and how far random rounding moves these values."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from detaudit.replay.arithmetic.beyond_rounding import Error
from detaudit.replay.arithmetic.float64 import Float64, RoundedByChance, Rounding, widened
from detaudit.replay.calls.module_call import ModuleCall
from detaudit.replay.draws.common import BlockDraws, draws_apart, kept_draws, taken_draws
from detaudit.torch_private.modules import Convolution

_TRIALS = 3
_MORE_TRIALS = 12
"""Further trials where an error seems too large: a choice between near-equal numbers may fall either way."""

_CONVOLUTIONS = Convolution, torch.nn.RNNBase
_TF32_UNIT = 2.0**-10

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")
Compute = Callable[[Float64 | None], dict[_Key, torch.Tensor]]
"""Computes values by their keys, in the given arithmetic; None stands for the program's own."""


class RandomNumbersError(Exception):
    """Two runs of one piece of the program draw different random numbers."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One value in float64."""

    value: torch.Tensor
    noise: float
    """Norm of the largest difference that random rounding made."""
    rounding: Rounding
    """Rounding of the dtype that was simulated."""
    unsettled: bool
    """Whether random rounding changes a whole number or a choice, or leads to infinity or NaN."""

    def error_of(self, value: torch.Tensor, unit: float) -> Error | None:
        """Return the error of a value computed in a dtype of that unit; None if no error is defined."""
        if value.shape != self.value.shape or not _has_size(value):
            return None
        both, distance = _sizes(self.value, value)
        if not both:
            return Error(0.0, 0.0, unit, 0.0)
        noise = math.inf if self.unsettled else self.noise
        return Error(distance / both, noise * unit / self.rounding.unit / both, unit, distance)

    def apart(self, other: Reference) -> float | None:
        """Return the relative distance of two references of one value; None if it is not defined."""
        if other.value.shape != self.value.shape or not _has_size(self.value):
            return None
        both, distance = _sizes(self.value, other.value)
        return distance / both if both else 0.0

    def relative_noise(self) -> float:
        """Return the noise relative to the value."""
        if not _has_size(self.value):
            return 0.0
        if self.unsettled:
            return math.inf
        size = float(torch.linalg.vector_norm(_finite(self.value)))
        return self.noise / size if size else 0.0


def drawing(compute: Callable[[], _Result]) -> tuple[_Result, BlockDraws]:
    """Compute something; return the result and the random numbers that were drawn."""
    with draws_apart(), kept_draws() as draws:
        result = compute()
    return result, draws


def redrawing(draws: BlockDraws, compute: Callable[[], _Result]) -> _Result:
    """Compute something with these random numbers. Raises RandomNumbersError if it draws otherwise."""
    with taken_draws(draws) as problems:
        result = compute()
    if problems:
        raise RandomNumbersError(problems[0])
    return result


def references(compute: Compute[_Key], draws: BlockDraws, rounding: Rounding) -> dict[_Key, Reference]:
    """Compute every value in float64. Errors that the computation raises are passed on."""
    values = redrawing(draws, lambda: compute(Float64()))
    bare = {key: Reference(value, 0.0, rounding, unsettled=False) for key, value in values.items()}
    return tried(compute, draws, bare, range(_TRIALS))


def tried_more(
    compute: Compute[_Key], draws: BlockDraws, known: dict[_Key, Reference]
) -> dict[_Key, Reference]:
    """Return the references after more trials of random rounding."""
    return tried(compute, draws, known, range(_TRIALS, _TRIALS + _MORE_TRIALS))


def tried(
    compute: Compute[_Key], draws: BlockDraws, known: Mapping[_Key, Reference], seeds: Iterable[int]
) -> dict[_Key, Reference]:
    """Return the references after trials of random rounding with these seeds."""
    found = dict(known)
    roundings = {one.rounding for one in found.values()}
    for rounding, seed in itertools.product(roundings, seeds):
        trial = functools.partial(compute, RoundedByChance(rounding, seed))
        for key, value in redrawing(draws, trial).items():
            if key in found:
                found[key] = _after(found[key], value)
    return found


def rounding_of(tensors: Iterable[torch.Tensor], narrower: Iterable[torch.dtype] = ()) -> Rounding:
    """Return the rounding of the coarsest dtype among the tensors; float64's if there are none."""
    dtypes = {tensor.dtype for tensor in tensors} | set(narrower)
    infos = [torch.finfo(dtype) for dtype in dtypes] or [torch.finfo(torch.float64)]
    return Rounding(max(one.eps for one in infos), max(one.tiny * one.eps for one in infos))


def rounding_of_call(call: ModuleCall) -> Rounding:
    """Return the rounding of the arithmetic in which a module call is made."""
    rounding = rounding_of(call.tensors, (dtype for _, dtype in call.state.autocast))
    return replace(rounding, unit=max(rounding.unit, _unit_of_products(call)))


def _unit_of_products(call: ModuleCall) -> float:
    """Return the unit to which factors in float32 are rounded (TF32, bfloat16); 0.0 if they are not."""
    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:
        # The program set precisions by another interface, which torch does not let anyone mix with this one.
        precision = "high"
    if precision != "highest":
        return torch.finfo(torch.bfloat16).eps if precision == "medium" else _TF32_UNIT
    on_gpu = any(one.is_cuda for one in call.tensors) and torch.backends.cudnn.allow_tf32
    return (
        _TF32_UNIT if on_gpu and any(isinstance(one, _CONVOLUTIONS) for one in call.module.modules()) else 0.0
    )


def _after(known: Reference, value: torch.Tensor) -> Reference:
    """Update a reference by the value of one trial."""
    if value.shape != known.value.shape:
        return replace(known, unsettled=True)
    if not _has_size(value):
        return replace(known, unsettled=known.unsettled or not torch.equal(value, known.value))
    if not torch.equal(value.isfinite(), known.value.isfinite()):
        return replace(known, unsettled=True)
    _, distance = _sizes(known.value, value)
    return replace(known, noise=max(known.noise, distance))


def _has_size(value: torch.Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _finite(value: torch.Tensor) -> torch.Tensor:
    return value.masked_fill(~value.isfinite(), 0)


def _sizes(first: torch.Tensor, second: torch.Tensor) -> tuple[float, float]:
    """Return the larger norm of two values and the norm of their difference, where both are finite."""
    first, second = (widened(_dense(one)) for one in (first, second))
    known = first.isfinite() & second.isfinite()
    first, second = first[known], second[known]
    norms = [float(torch.linalg.vector_norm(one)) for one in (first, second, first - second)]
    return max(norms[:2]), norms[2]


def _dense(value: Any) -> torch.Tensor:
    dense: torch.Tensor = value if value.layout is torch.strided else value.to_dense()
    return dense
