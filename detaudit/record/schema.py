"""Plan, once for each operator's schema, which of its arguments and results can be compared.

Not everything that an operator touches is a value: a write-only argument still holds whatever was there
before, `empty` returns memory as it was found, a view changes no bit of its base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from detaudit.torch_private.operators import schema_of

_WRITE_ONLY_SELF = frozenset(
    {
        "copy_", "fill_", "zero_", "uniform_", "normal_", "bernoulli_", "random_", "exponential_",
        "geometric_", "log_normal_", "cauchy_", "_foreach_copy_", "_foreach_zero_", "set_", "resize_",
        "resize_as_", "eye_", "ones_",
    }
)  # fmt: skip
"""In-place operators that do not read what they overwrite."""

_UNINITIALISED = frozenset(
    {
        "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted",
        "empty_quantized", "_empty_affine_quantized", "resize_", "resize_as_", "resize", "set_",
    }
)  # fmt: skip
"""Operators whose results are memory as it was found, at least in part."""

_UNINITIALISED_RESULTS = {
    "_ctc_loss": frozenset({1}),
    "mkldnn_rnn_layer": frozenset({3}),
    "all_gather_copy_in": frozenset({1}),
}
"""Positions of further results that stay uninitialised where nothing reads them."""

_LEFT_UNREAD = {
    "mkldnn_rnn_layer_backward": frozenset({"workspace"}),
    "all_gather_copy_in": frozenset({"all_gather_output"}),
}
"""Arguments of which the operator reads only the part that was written, or nothing."""

_FORMS_ITSELF = frozenset({"set_", "resize_", "resize_as_"})
"""In-place operators whose result has another shape than the tensor that they overwrite."""

_OUT_OF_PLACE_BERNOULLI = "bernoulli.p"
"""An operator that takes only the shape of its argument, not its values."""

_SHAPE_ONLY = frozenset(
    {"zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros",
     "new_ones", "new_full", "empty_like", "new_empty", "new_empty_strided"}
)  # fmt: skip
"""Operators that take only shape, dtype and device from their tensor argument."""


_COLLECTIVE = ("c10d::", "_c10d_functional::", "c10d_functional::", "_c10d_functional_autograd::")
"""Beginnings of the names of operators that exchange values between ranks."""

_SENT = frozenset({"input", "inputs", "input_tensor", "input_tensors", "input_list", "self", "shard"})
"""Arguments of such operators that hold what this rank gives."""

_SENT_IN_PLACE = frozenset({"allreduce_", "allreduce_coalesced_", "reduce_", "send", "isend"})
"""Those that give what is in `tensors`; others find there the memory into which they write."""

_WAITED_FOR = "wait_tensor"
"""The operator behind which the result of such an operator is there."""


@dataclass(frozen=True, slots=True)
class OperatorPlan:
    """Which positions to digest."""

    name: str
    skip: bool
    """Whether to record nothing: a pure view has the bits of its base, and some operators compute nothing."""
    read: tuple[tuple[int, str], ...]
    """Arguments whose values the operator reads: position and name."""
    formed: tuple[tuple[int, str], ...]
    """Arguments whose shape and dtype alone are read, for a result of that form."""
    written: tuple[tuple[int, str], ...]
    """Arguments that the operator changes and that are digested after the call, unless they are returned
    anyway."""
    changed: tuple[tuple[int, str], ...]
    """Arguments that the operator changes, returned or not."""
    results: bool
    """Whether the results have values."""
    left_out: frozenset[int]
    """Positions of the results that have no values."""
    draws: bool
    """Whether the operator draws from a random generator."""
    makes_fresh: bool
    """Whether the operator's result is only uninitialised memory."""
    gives_one: bool
    """Whether the operator gives a single result, with values, as most operators do."""


def make_plan(operator: Any) -> OperatorPlan:
    """Read the schema of an operator overload (`torch.ops.aten.add.Tensor`)."""
    schema = schema_of(operator)
    if schema.name.startswith(_COLLECTIVE):
        return _plan_collective(schema)
    base = schema.name.partition("::")[2]
    overload = schema.overload_name or "default"
    aliased = [argument for argument in schema.arguments if argument.alias_info is not None]
    changed = [argument for argument in aliased if argument.alias_info.is_write]
    is_view = bool(aliased) and not changed and base not in _UNINITIALISED
    # The profiler's marks around optimizer steps are operators in form only.
    is_mark = schema.name.startswith("profiler::")
    read, formed, written = [], [], []
    for position, argument in enumerate(schema.arguments):
        changes = argument.alias_info is not None and argument.alias_info.is_write
        if changes:
            written.append((position, argument.name))
        if (changes and _write_only(base, position)) or _shape_only(base, overload, position):
            formed.append((position, argument.name))
        elif not (changes and argument.kwarg_only) and argument.name not in _LEFT_UNREAD.get(base, ()):
            read.append((position, argument.name))
    results = base not in _UNINITIALISED
    left_out = _UNINITIALISED_RESULTS.get(base, frozenset())
    return OperatorPlan(
        name=f"{schema.name.replace('::', '.')}.{overload}",
        skip=is_view or is_mark,
        read=tuple(read),
        formed=() if base in _FORMS_ITSELF else tuple(formed),
        written=tuple(written) if results and _returns_nothing(schema) else (),
        changed=tuple(written),
        results=results,
        left_out=left_out,
        draws=torch.Tag.nondeterministic_seeded in operator.tags,
        makes_fresh=base in _UNINITIALISED and not base.startswith(("resize", "set_")),
        gives_one=results and len(schema.returns) == 1 and not left_out,
    )


def _plan_collective(schema: Any) -> OperatorPlan:
    """Plan for an operator that exchanges values between ranks: only what this rank gives has values then.

    Its results are still being written when it returns. They are digested behind the operator that waits for
    them, or by what reads them next: to wait here would change the program.
    """
    base = schema.name.partition("::")[2]
    waits = base == _WAITED_FOR
    sent, written = [], []
    for position, argument in enumerate(schema.arguments):
        if "Tensor" not in str(argument.type) or waits:
            continue
        is_input = argument.name in _SENT
        if (is_input and base != "broadcast_") or (argument.name == "tensors" and base in _SENT_IN_PLACE):
            sent.append((position, argument.name))
        if not is_input or argument.alias_info is not None:
            written.append((position, argument.name))
    return OperatorPlan(
        name=f"{schema.name.replace('::', '.')}.{schema.overload_name or 'default'}",
        skip=base in {"check_for_nan", "_wrap_tensor_autograd"},
        read=tuple(sent),
        formed=(),
        written=(),
        changed=tuple(written),
        results=waits,
        left_out=frozenset(),
        draws=False,
        makes_fresh=False,
        gives_one=waits,
    )


def _write_only(base: str, position: int) -> bool:
    return position == 0 and base in _WRITE_ONLY_SELF


def _shape_only(base: str, overload: str, position: int) -> bool:
    return position == 0 and (base in _SHAPE_ONLY or f"{base}.{overload}" == _OUT_OF_PLACE_BERNOULLI)


def _returns_nothing(schema: Any) -> bool:
    return not schema.returns
