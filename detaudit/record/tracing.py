"""torch.jit.trace sees nothing of what runs under a dispatch mode: ours step aside while it works."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.jit import _trace
from torch.utils._python_dispatch import TorchDispatchMode

from detaudit.record.scope import Scope

_TRACERS = (
    (_trace, "_trace_impl"),
    (_trace, "trace_module"),
    (torch.jit, "trace_module"),
    (_trace, "_get_trace_graph"),
    (torch.jit, "_get_trace_graph"),
)


def step_aside_for_tracing(mode: TorchDispatchMode, scope: Scope) -> None:
    """Leave the mode for the time of each trace; what is traced is not recorded."""
    for owner, name in _TRACERS:
        scope.replace(owner, name, _without(mode, getattr(owner, name)))


def _without(mode: TorchDispatchMode, tracer: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tracer)
    def tracing(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever torch's function takes and gives
        # Only from the top of the stack: a mode that the program put on ours is the program's own affair.
        depth = torch._C._len_torch_dispatch_stack()
        if not depth or torch._C._get_dispatch_stack_at(depth - 1) is not mode:
            return tracer(*args, **kwargs)
        mode.__exit__(None, None, None)
        try:
            return tracer(*args, **kwargs)
        finally:
            mode.__enter__()

    return tracing
