"""Operators as a dispatch mode is given them: their schemas, and the operators that they are made of."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import torch
from torch._ops import OpOverload

__all__ = ["OpOverload", "call_by_parts", "has_parts", "overload_name", "schema_of"]
# Its own name: an alias of a class with parameters is none to mypy. It tells plain operators from those that
# take functions (`torch.cond`).

schema_of = attrgetter("_schema")
"""Gives the schema of an operator: its name, arguments, results, and what it writes to."""

overload_name = attrgetter("_overloadname")
"""Gives the name of an operator's overload, as `torch.ops` has it (`default` where the schema has none)."""

_PARTS = torch._C.DispatchKey.CompositeImplicitAutograd


def has_parts(operator: Any) -> bool:
    """Say whether an operator is made of others: modes see those, one by one, except in inference mode."""
    return bool(operator.has_kernel_for_dispatch_key(_PARTS))


def call_by_parts(operator: Any, args: Any, kwargs: Any) -> Any:
    """Call an operator so that modes see the operators that it is made of."""
    return operator._op_dk(_PARTS, *args, **kwargs)
