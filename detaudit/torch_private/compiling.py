"""Compilers: torch.jit, which must not see what looks on, and the settings of torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.jit import _builtins, _trace

from detaudit.torch_private.spot import Spot

tracing_state = torch._C._get_tracing_state
"""Gives the graph into which torch.jit.trace writes; None while it does not trace."""

TRACERS = (
    Spot(_trace, "_trace_impl"),
    Spot(_trace, "trace_module"),
    Spot(torch.jit, "trace_module"),
    Spot(_trace, "_get_trace_graph"),
    Spot(torch.jit, "_get_trace_graph"),
)
"""Trace a program; they do not see code that runs under a dispatch mode."""


def compile_as(function: Callable[..., Any], original: Callable[..., Any]) -> None:
    """Have TorchScript take a function for the one that it knows by identity."""
    builtin = _builtins._find_builtin(original)
    if builtin is not None:
        _builtins._register_builtin(function, builtin)


def inductor_is_deterministic() -> bool:
    """Say whether torch.compile is to choose nothing by timing."""
    import torch._inductor.config as inductor

    return inductor.deterministic


def set_inductor_deterministic(wanted: bool) -> None:  # noqa: FBT001 - the value of a switch
    """Set whether torch.compile is to choose nothing by timing."""
    import torch._inductor.config as inductor

    inductor.deterministic = wanted


def draw_as_uncompiled() -> None:
    """Have compiled code draw the random numbers that the same code draws otherwise."""
    import torch._inductor.config as inductor

    inductor.fallback_random = True
