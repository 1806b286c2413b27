"""Run a piece of the program in other arithmetic: in float64, or in float64 with random roundings.

The effect of rounding on a result is found by trying: every operator's inputs and results are moved by the
unit in the last place of the program's own dtype, randomly up or down (Monte Carlo arithmetic: Parker,
1997). This covers cancellation, conditioning and the number of operators without a rule for any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from detaudit.record.schema import OperatorPlan, make_plan
from detaudit.replay.arithmetic.reductions import (
    STATISTICS,
    loss_within,
    losses_by_loops,
    losses_of_results,
    losses_of_written,
)
from detaudit.torch_private.modes import OnlookingMode
from detaudit.torch_private.operators import schema_of

_WIDE = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex32: torch.complex128,
}

_EXACT = frozenset(
    {"clone", "copy_", "copy", "_to_copy", "cat", "stack", "index", "gather", "index_select", "where",
     "fill_", "masked_fill", "masked_fill_", "constant_pad_nd", "embedding", "relu", "relu_",
     "threshold_backward", "neg", "neg_", "abs", "sign", "max_pool2d_with_indices",
     "max_pool2d_with_indices_backward", "max_pool3d_with_indices", "zero_", "flip", "roll", "repeat",
     "triu", "tril", "scatter", "slice_backward", "select_backward", "zeros_like", "ones_like",
     "full_like", "new_zeros", "new_ones", "new_full", "sort", "topk", "max", "min", "amax", "amin",
     "clamp", "clamp_min", "clamp_max", "maximum", "minimum", "floor", "round", "ceil", "trunc",
     "unbind", "reflection_pad2d", "_reshape_alias", "_unsafe_view", "lift_fresh", "eq", "ne", "lt",
     "le", "gt", "ge", "eq_", "isnan", "isinf", "isfinite", "argmax", "argmin", "argsort", "nonzero",
     "bucketize", "searchsorted", "signbit", "index_copy", "index_put", "index_put_", "unfold",
     "scatter_", "median", "nanmedian", "mode", "kthvalue", "heaviside", "all", "any", "_unique2",
     "count_nonzero"}
)  # fmt: skip
"""Operators that move, compare or choose numbers, and do not round."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a dtype rounds."""

    unit: float
    """Distance of 1 and the next larger number."""
    least: float
    """The smallest number above zero."""


class Float64(OnlookingMode):
    """Computes everything in float64 on the CPU, whatever the program asks for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator in this arithmetic."""
        return self.call(func, args, kwargs or {})

    def entering(self, value: torch.Tensor) -> torch.Tensor:
        """Copy a value of the program into this arithmetic."""
        return widened(value).clone()

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call the operator with all its inputs in float64, except those that it writes to."""
        args, kwargs = self._wide(func, args, kwargs)
        return func(*args, **kwargs)

    def _wide(self, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
        written = {
            position for position, argument in enumerate(schema_of(func).arguments) if _is_written(argument)
        }
        positional = tuple(
            value if position in written else _widened(value) for position, value in enumerate(args)
        )
        return positional, {name: _widened(value) for name, value in kwargs.items()}


class RoundedByChance(Float64):
    """Computes in float64, and moves every operator's inputs and results by about `unit`, up or down."""

    def __init__(self, rounding: Rounding, seed: int) -> None:
        super().__init__()
        self._rounding = rounding
        self._plans: dict[Any, OperatorPlan] = {}
        # Not torch's: what is drawn here is no random number of the program's.
        self._generator = np.random.default_rng(seed)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call the operator with its inputs and results rounded randomly."""
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = make_plan(func)
        args, kwargs = self._wide(func, args, kwargs)
        name = _base_name(func)
        if plan.skip or plan.makes_fresh or plan.draws or name in _EXACT:
            return func(*args, **kwargs)
        within = self._rounding.unit * loss_within(name, args)
        rounded = list(args)
        for position, argument in plan.read:
            if position in STATISTICS.get(name, ()):
                continue
            if position < len(args) and not _is_written(schema_of(func).arguments[position]):
                rounded[position] = self._off(args[position], within)
            elif argument in kwargs:
                kwargs[argument] = self._off(kwargs[argument], within)
        result = func(*rounded, **kwargs)
        self._round(result, losses_of_results(name, args))
        for position, loss_of_one in losses_of_written(name, args).items():
            self._round(args[position], (loss_of_one,))
        for position, loss in losses_by_loops(name, args, result).items():
            result[position].add_(loss * self._from(self._rounding.unit * self._signs(loss)))
        return result

    def entering(self, value: torch.Tensor) -> torch.Tensor:
        """Copy a value of the program, moved by about `unit`."""
        entered = widened(value).clone()
        self._round(entered, (1.0,))
        return entered

    def _off(self, value: Any, unit: float) -> Any:
        if isinstance(value, list | tuple):
            return [self._off(item, unit) for item in value]
        if isinstance(value, torch.Tensor) and _can_round(value):
            return value * self._from(1 + unit * self._signs(value))
        return value

    def _round(self, result: object, losses: tuple[float, ...]) -> None:
        if isinstance(result, torch.Tensor):
            if _can_round(result):
                signs = self._signs(result)
                least = (result != 0) * self._from(self._rounding.least * signs)
                result.mul_(self._from(1 + self._rounding.unit * losses[0] * signs)).add_(least)
        elif isinstance(result, list | tuple):
            for position, item in enumerate(result):
                self._round(item, losses[min(position, len(losses) - 1) :])

    @staticmethod
    def _from(numbers: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(numbers))

    def _signs(self, like: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(self._generator.integers(0, 2, like.shape, dtype=np.int8) * 2.0 - 1.0)


def _base_name(operator: Any) -> str:
    """Return the name of an operator without namespace and overload."""
    return str(schema_of(operator).name.partition("::")[2])


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor on the CPU, in double precision if it holds real or complex numbers."""
    return tensor.to("cpu", _WIDE.get(tensor.dtype, tensor.dtype))


def _widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return widened(value)
    if isinstance(value, list | tuple):
        return [_widened(item) for item in value]
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return _WIDE.get(value, value) if isinstance(value, torch.dtype) else value


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _can_round(value: torch.Tensor) -> bool:
    return (
        value.dtype in {torch.float64, torch.complex128}
        and value.layout is torch.strided
        and value.numel() > 0
    )
