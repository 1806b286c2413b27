"""Read the random numbers that an operator call drew from its results, or replace them by other numbers.

Devices call different operators for one thing: dropout is `bernoulli_` on the CPU and `native_dropout` on a
GPU. Operators of one family draw the same kind of numbers, in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from detaudit.torch_private.operators import schema_of

_MASK, _NORMAL, _UNIFORM, _SLOPES = "bernoulli", "normal", "uniform", "rrelu_with_noise"
_DROPOUTS = frozenset({"native_dropout", "_fused_dropout"})

_SPREADS = {_NORMAL: ("mean", "std"), _UNIFORM: ("from", "to")}
"""Families whose numbers are standard ones, shifted and stretched, with the names of the two arguments."""

_PLAIN = frozenset(
    {_MASK, _NORMAL, _UNIFORM, "rand", "randn", "randint", "randperm", "random", "exponential", "geometric",
     "log_normal", "cauchy", "poisson", "binomial", "multinomial", "_standard_gamma", "_sample_dirichlet"}
)  # fmt: skip
"""Families whose result is only the random numbers."""

_PARAMETERS = ("p", "lambd", "median", "sigma", "mean", "std", "from", "to", "low", "high", "replacement")
"""The arguments on which the numbers of these families depend, beside the generator."""

_NO_DRAW = frozenset({"_fused_sdp_choice", "_cudnn_init_dropout_state", "_nested_tensor_softmax_with_shape"})
"""Operators that torch marks as drawing, but that use no random number."""

_PROBABILITIES = ("dropout_p", "dropout")
"""Names of the probability of dropout in operators that compute more than dropout."""


class MismatchError(Exception):
    """The kept numbers do not fit the call."""


@dataclass(slots=True)
class DrawingCall:
    """A call of an operator that draws."""

    operator: Any
    """torch._ops.OpOverload, which the stubs leave untyped."""
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any = None
    overwritten: torch.Tensor | None = None
    """Content of its first argument before the call, if the operator overwrites it and it is needed."""

    @property
    def name(self) -> str:
        """The operator's name as in a trace, without its overload."""
        return str(schema_of(self.operator).name).replace("::", ".")

    @property
    def base(self) -> str:
        """The operator's name without its overload."""
        return self.name.partition(".")[2]

    @property
    def family(self) -> str:
        """The kind of numbers that the operator draws."""
        name = self.base.removesuffix("_functional").removesuffix("_").removesuffix("_like")
        return _MASK if name in _DROPOUTS else name

    @property
    def parameters(self) -> tuple[float, ...]:
        """The arguments that must be equal on both sides for the numbers to be equal."""
        if self.base == "native_dropout":
            return (1 - self.argument("p"),)
        if self.family in _SPREADS or self.family == _SLOPES:
            return ()
        given = (self.argument(name) for name in _PARAMETERS)
        return tuple(one for one in given if isinstance(one, int | float))

    def argument(self, name: str) -> Any:
        """Return an argument by its name in the schema, or its default; None if there is neither."""
        for position, argument in enumerate(schema_of(self.operator).arguments):
            if argument.name == name:
                given = self.args[position] if position < len(self.args) else self.kwargs.get(name)
                return argument.default_value if given is None else given
        return None


@dataclass(frozen=True, slots=True)
class DrawForm:
    """How the numbers of one kind of call are read and replaced."""

    read: Callable[[DrawingCall], tuple[torch.Tensor, ...]]
    put: Callable[[DrawingCall, tuple[torch.Tensor, ...]], None]


def draws_nothing(call: DrawingCall) -> bool:
    """Say whether a call takes no random number, although its operator can."""
    if call.base in _NO_DRAW or call.base.endswith("_backward"):
        # A backward pass uses the mask that its forward pass drew.
        return True
    if call.argument("training") is False or call.argument("train") is False:
        return True
    probabilities = [call.argument(name) for name in _PROBABILITIES]
    return any(p is not None for p in probabilities) and not any(probabilities)


def form_of(call: DrawingCall) -> DrawForm | None:
    """Return the form of a call's numbers; None if they are used inside the operator and never seen."""
    if call.base in _DROPOUTS:
        return DrawForm(_read_dropout, _put_dropout)
    if call.base.removesuffix("_") == _SLOPES:
        return DrawForm(_read_slopes, _put_slopes)
    known = call.family in _PLAIN and isinstance(call.result, torch.Tensor)
    return _FORMS.get(call.family, DrawForm(_read_plain, _put_plain)) if known else None


def saved_before(call: DrawingCall) -> torch.Tensor | None:
    """Copy the tensor that must be known from before the call, for its numbers to be replaced; else None."""
    return call.args[0].clone() if call.base == f"{_SLOPES}_" else None


def _read_plain(call: DrawingCall) -> tuple[torch.Tensor, ...]:
    return (call.result,)


def _put_plain(call: DrawingCall, numbers: tuple[torch.Tensor, ...]) -> None:
    call.result.copy_(numbers[0])


def _put_below(call: DrawingCall, number: torch.Tensor, bound: float) -> None:
    """Write uniform numbers; keep those that round to their bound in a narrower dtype below the bound."""
    result = call.result
    result.copy_(number)
    if result.is_floating_point() and result.itemsize < number.itemsize:
        limits = torch.finfo(result.dtype)
        below = bound - max(abs(bound) * limits.eps, limits.tiny)
        result.masked_fill_((result == bound) & (number < bound).to(result.device), below)


def _read_dropout(call: DrawingCall) -> tuple[torch.Tensor, ...]:
    return (call.result[1] != 0,)


def _put_dropout(call: DrawingCall, numbers: tuple[torch.Tensor, ...]) -> None:
    """Compute dropout from the mask with the roundings of torch's own kernels, which differ on the CPU."""
    output, mask = call.result
    mask.copy_(numbers[0])
    given, p = call.args[0], call.argument("p")
    kept = p if call.base == "_fused_dropout" else 1 - p
    if not kept:
        output.zero_()
    elif given.device.type == "cpu":
        output.copy_(given * mask * torch.tensor(1 / kept, dtype=given.dtype))
    else:
        wide = given.dtype if given.dtype is torch.float64 else torch.float32
        scale = 1 / torch.tensor(kept, dtype=wide, device=given.device)
        output.copy_(given.to(wide) * mask.to(wide) * scale)


def _read_slopes(call: DrawingCall) -> tuple[torch.Tensor, ...]:
    return (call.argument("noise"),)


def _put_slopes(call: DrawingCall, numbers: tuple[torch.Tensor, ...]) -> None:
    """Write RReLU's slopes: one for each input that is not positive; for all others, the noise is 1."""
    before = call.args[0] if call.overwritten is None else call.overwritten
    noise = call.argument("noise")
    slopes = numbers[0].to(noise)
    falls = before <= 0
    only_here = int((falls & (slopes == 1)).sum())
    if only_here:
        raise MismatchError(
            f"{call.base} draws a slope for each input that is not positive, and {only_here} of them are not "
            "positive in this run only"
        )
    noise.copy_(torch.where(falls, slopes, 1))
    call.result.copy_(torch.where(falls, before * slopes, before))


def _read_spread(call: DrawingCall) -> tuple[torch.Tensor, ...]:
    return (call.result, *_spread(call))


def _put_spread(call: DrawingCall, numbers: tuple[torch.Tensor, ...]) -> None:
    """Write the same standard numbers, shifted and stretched by this side's arguments."""
    value, start, stretch = numbers
    own_start, own_stretch = _spread(call)
    if not (torch.equal(own_start, start) and torch.equal(own_stretch, stretch)):
        standard = torch.where(stretch == 0, 0.0, (value.double() - start) / stretch)
        value = own_start + own_stretch * standard
    if call.family == _UNIFORM:
        _put_below(call, value, float(own_start + own_stretch))
    else:
        call.result.copy_(value.to(call.result.dtype))


def _spread(call: DrawingCall) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far standard numbers are shifted, and how far they are stretched."""
    first, second = (torch.as_tensor(call.argument(name)).cpu().double() for name in _SPREADS[call.family])
    return first, second - first if call.family == _UNIFORM else second


_FORMS = {
    _MASK: DrawForm(lambda call: (call.result != 0,), _put_plain),
    "rand": DrawForm(_read_plain, lambda call, numbers: _put_below(call, numbers[0], 1.0)),
    _NORMAL: DrawForm(_read_spread, _put_spread),
    _UNIFORM: DrawForm(_read_spread, _put_spread),
}
"""Families whose results need more than a plain read and write."""
