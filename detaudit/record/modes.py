"""Enter our dispatch modes in every thread of the program; leave them while torch.jit.trace works."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from detaudit.record.scope import Scope
from detaudit.torch_private.compiling import TRACERS
from detaudit.torch_private.modes import DispatchMode, innermost_mode


def watch_threads(mode: DispatchMode, scope: Scope) -> None:
    """Run every thread started from now on under the mode."""
    # Not `run`: subclasses override that without calling it.
    bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]  # the one place all threads pass

    @functools.wraps(bootstrap)
    def watched(thread: threading.Thread) -> None:
        with mode:
            bootstrap(thread)

    scope.replace(threading.Thread, "_bootstrap_inner", watched)


def step_aside_for_tracing(mode: DispatchMode, scope: Scope) -> None:
    """Leave the mode for the time of each trace; what is traced is not recorded."""
    for tracer in TRACERS:
        scope.replace(*tracer, _without(mode, tracer.current))


def _without(mode: DispatchMode, tracer: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tracer)
    def tracing(*args: Any, **kwargs: Any) -> Any:
        # Only from the top of the stack: a mode that the program put on ours is the program's own affair.
        if innermost_mode() is not mode:
            return tracer(*args, **kwargs)
        mode.__exit__(None, None, None)
        try:
            return tracer(*args, **kwargs)
        finally:
            mode.__enter__()

    return tracing
