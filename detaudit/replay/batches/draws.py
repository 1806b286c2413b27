"""Give every sample of a batch the same random numbers; compute in float64 where a model asks for less."""

from __future__ import annotations

from typing import Any

import torch

from detaudit.torch_private.modes import OnlookingMode
from detaudit.torch_private.operators import overload_name

_UNIFORM, _NORMAL, _KEPT = 0.37, 0.5, 0.5
"""The numbers that replace all draws: of rand, of randn; and the threshold for a probability."""
_LOW = {torch.float32, torch.float16, torch.bfloat16}
_aten = torch.ops.aten


def torch_states() -> list[torch.Tensor]:
    """Return the states of torch's own random generators: the CPU's, and those of all GPUs."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else ())]


def have_moved(before: list[torch.Tensor]) -> bool:
    """Say whether random numbers were drawn since the generators had these states."""
    return any(not torch.equal(one, other) for one, other in zip(before, torch_states(), strict=False))


def _go_back(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])


class SameDraws(OnlookingMode):
    """Replaces every draw of a kind by one number, so that the batch's size makes no difference."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it none
        self.replaced: set[str] = set()
        """Operators whose draws were replaced."""
        self.left: set[str] = set()
        """Operators that drew their own random numbers."""

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry out an operator."""
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        if name == "aten.native_dropout":
            self.replaced.add(name)
            return args[0] / (1 - args[1]) if args[2] else args[0], torch.ones_like(args[0], dtype=torch.bool)
        value = _constant(func, name, args)
        before = torch_states()
        result = func(*args, **(kwargs or {}))
        if value is None:
            if have_moved(before):
                self.left.add(name)
            return result
        self.replaced.add(name)
        _go_back(before)
        return result.copy_(value) if isinstance(value, torch.Tensor) else result.fill_(value)


def _constant(func: Any, name: str, args: Any) -> Any:  # noqa: PLR0911 - an operator; one kind of draw each
    """Return the value that replaces an operator's draws; None if it is not known."""
    match name:
        case "aten.rand" | "aten.rand_like":
            return _UNIFORM
        case "aten.randn" | "aten.randn_like":
            return _NORMAL
        case "aten.uniform_":
            low, high = args[1:] + (0.0, 1.0)[len(args) - 1 :]
            return low + _UNIFORM * (high - low)
        case "aten.normal_":
            mean, deviation = args[1:] + (0.0, 1.0)[len(args) - 1 :]
            return mean + _NORMAL * deviation
        case "aten.normal":
            return args[0] + _NORMAL * args[1] if len(args) == 2 else None  # noqa: PLR2004 - mean, deviation
        case "aten.randint":
            low, high = (args[0], args[1]) if overload_name(func).startswith("low") else (0, args[0])
            return int(low + _UNIFORM * (high - low))
        case "aten.bernoulli_" if overload_name(func) == "float":
            return 1.0
        case "aten.bernoulli" if overload_name(func) == "default":
            return (args[0] > _KEPT).to(args[0].dtype)
    return None


class AllFloat64(OnlookingMode):
    """Replaces casts to a lower floating-point dtype, and fresh tensors in one, by float64."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives it none
        self.raised = False
        """Whether anything was replaced."""

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry out an operator."""
        kwargs = kwargs or {}
        if func is not _aten.view.dtype:
            args = tuple(self._raise(one) for one in args)
            kwargs = {name: self._raise(one) for name, one in kwargs.items()}
        return func(*args, **kwargs)

    def _raise(self, argument: Any) -> Any:
        if isinstance(argument, torch.dtype) and argument in _LOW:
            self.raised = True
            return torch.float64
        return argument
