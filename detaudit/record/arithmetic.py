"""Run a piece of the program in other arithmetic: in float64, or in float64 with roundings put in by chance.

What rounding may do to a result is found by doing it: every operator's inputs and results are moved by the
unit in the last place of the program's own dtype, up or down by chance (Monte Carlo arithmetic: Parker,
1997). That carries cancellation, conditioning and the number of operators without a rule for any of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from detaudit.record.schema import OperatorPlan, make_plan

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
"""Operators that move, compare or choose numbers, and round none."""

_CONTRACTIONS = frozenset({"mm", "addmm", "bmm", "baddbmm", "dot", "mv", "addmv"})
_SLOPE = 1 / 16
"""How fast what a sum may lose grows with the square root of its length; measured on torch's kernels."""


class Float64(TorchDispatchMode):
    """Computes everything in float64 on the CPU, whatever the program asks for."""

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Leave compiled code compiled."""
        return True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise the first operator would import all of torch._dynamo.
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's own signature
        """Call the operator in this arithmetic."""
        return self.call(func, args, kwargs or {})

    def entering(self, value: torch.Tensor) -> torch.Tensor:
        """A copy of a value of the program, as it enters this arithmetic."""
        return widened(value).clone()

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - a call of any operator
        """Call the operator with all that is narrower made wide."""
        args, kwargs = self._wide(func, args, kwargs)
        return func(*args, **kwargs)

    def _wide(self, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:  # noqa: ANN401 - a call of any operator
        written = {
            position for position, argument in enumerate(func._schema.arguments) if _is_written(argument)
        }
        positional = tuple(
            value if position in written else _widened(value) for position, value in enumerate(args)
        )
        return positional, {name: _widened(value) for name, value in kwargs.items()}


class RoundedByChance(Float64):
    """Computes in float64, with every operator's inputs and results off by about `unit`, up or down."""

    def __init__(self, unit: float, seed: int) -> None:
        super().__init__()
        self._unit = unit
        self._plans: dict[Any, OperatorPlan] = {}
        # Not torch's: what is drawn here is no random number of the program's.
        self._generator = np.random.default_rng(seed)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - a call of any operator
        """Call the operator, rounded."""
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = make_plan(func)
        args, kwargs = self._wide(func, args, kwargs)
        if plan.skip or plan.makes_fresh or plan.draws or _base_name(func) in _EXACT:
            return func(*args, **kwargs)
        inner = self._unit * _SLOPE * math.sqrt(_length(func, args))
        rounded = list(args)
        for position, name in plan.read:
            if position < len(args) and not _is_written(func._schema.arguments[position]):
                rounded[position] = self._off(args[position], inner)
            elif name in kwargs:
                kwargs[name] = self._off(kwargs[name], inner)
        result = func(*rounded, **kwargs)
        self._round(result)
        return result

    def entering(self, value: torch.Tensor) -> torch.Tensor:
        """A copy of a value of the program, off by about `unit`."""
        return self._moved(widened(value).clone(), self._unit)

    def _off(self, value: Any, unit: float) -> Any:  # noqa: ANN401 - an argument of any operator
        if isinstance(value, list | tuple):
            return [self._off(item, unit) for item in value]
        return self._moved(value, unit) if isinstance(value, torch.Tensor) else value

    def _moved(self, value: torch.Tensor, unit: float) -> torch.Tensor:
        return value * self._factors(value, unit) if _can_round(value) else value

    def _round(self, result: object) -> None:
        if isinstance(result, torch.Tensor):
            if _can_round(result):
                result.mul_(self._factors(result, self._unit))
        elif isinstance(result, list | tuple):
            for item in result:
                self._round(item)

    def _factors(self, like: torch.Tensor, unit: float) -> torch.Tensor:
        signs = self._generator.integers(0, 2, like.shape, dtype=np.int8)
        return torch.from_numpy(np.asarray(1 - unit + 2 * unit * signs))


def _base_name(operator: Any) -> str:  # noqa: ANN401 - an operator overload
    """The name of an operator without namespace and overload."""
    return str(operator._schema.name.partition("::")[2])


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor on the CPU, and in double precision if it holds real or complex numbers."""
    return tensor.to("cpu", _WIDE.get(tensor.dtype, tensor.dtype))


def _widened(value: Any) -> Any:  # noqa: ANN401 - an argument of any operator
    if isinstance(value, torch.Tensor):
        return widened(value)
    if isinstance(value, list | tuple):
        return [_widened(item) for item in value]
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return _WIDE.get(value, value) if isinstance(value, torch.dtype) else value


def _is_written(argument: Any) -> bool:  # noqa: ANN401 - torch._C.Argument
    return argument.alias_info is not None and argument.alias_info.is_write


def _can_round(value: torch.Tensor) -> bool:
    return (
        value.dtype in {torch.float64, torch.complex128}
        and value.layout is torch.strided
        and value.numel() > 0
    )


def _length(func: Any, args: Any) -> float:  # noqa: ANN401 - a call of any operator
    """How many products the operator adds up for one of its results; torch adds plain sums in pairs."""
    name = _base_name(func)
    tensors = [value for value in args if isinstance(value, torch.Tensor)]
    if name in _CONTRACTIONS:
        return float(max(1, tensors[-2].shape[-1]))
    if name == "convolution":
        return tensors[1].numel() / max(1, tensors[1].shape[0])
    if name == "convolution_backward":
        gradient, _, weight = tensors[:3]
        return max(weight.numel(), gradient.numel()) / max(1, gradient.shape[1])
    return 1.0
