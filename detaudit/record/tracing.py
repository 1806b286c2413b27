"""torch.jit.trace sees nothing of what runs under a dispatch mode: ours steps aside while it works."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.jit import _trace

from detaudit.record.operators import Operators
from detaudit.record.scope import Scope

_TRACERS = (
    (_trace, "_trace_impl"),
    (_trace, "trace_module"),
    (torch.jit, "trace_module"),
    (_trace, "_get_trace_graph"),
    (torch.jit, "_get_trace_graph"),
)


def step_aside_for_tracing(operators: Operators, scope: Scope) -> None:
    """Leave the mode for the time of each trace; what is traced is not recorded."""
    for owner, name in _TRACERS:
        scope.replace(owner, name, _without(operators, getattr(owner, name)))


def _without(operators: Operators, tracer: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tracer)
    def tracing(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever torch's function takes and gives
        # Only from the top of the stack: a mode that the program put on ours is the program's own affair.
        depth = torch._C._len_torch_dispatch_stack()
        if not depth or torch._C._get_dispatch_stack_at(depth - 1) is not operators:
            return tracer(*args, **kwargs)
        operators.__exit__(None, None, None)
        try:
            return tracer(*args, **kwargs)
        finally:
            operators.__enter__()

    return tracing
