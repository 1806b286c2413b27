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

_UNINITIALISED_RESULTS = {"_ctc_loss": frozenset({1}), "mkldnn_rnn_layer": frozenset({3})}
"""Positions of further results that stay uninitialised where nothing reads them."""

_LEFT_UNREAD = {"mkldnn_rnn_layer_backward": frozenset({"workspace"})}
"""Arguments of which the operator reads only the part that was written."""

_FORMS_ITSELF = frozenset({"set_", "resize_", "resize_as_"})
"""In-place operators whose result has another shape than the tensor that they overwrite."""

_OUT_OF_PLACE_BERNOULLI = "bernoulli.p"
"""An operator that takes only the shape of its argument, not its values."""

_SHAPE_ONLY = frozenset(
    {"zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros",
     "new_ones", "new_full", "empty_like", "new_empty", "new_empty_strided"}
)  # fmt: skip
"""Operators that take only shape, dtype and device from their tensor argument."""


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


def _write_only(base: str, position: int) -> bool:
    return position == 0 and base in _WRITE_ONLY_SELF


def _shape_only(base: str, overload: str, position: int) -> bool:
    return position == 0 and (base in _SHAPE_ONLY or f"{base}.{overload}" == _OUT_OF_PLACE_BERNOULLI)


def _returns_nothing(schema: Any) -> bool:
    return not schema.returns
