"""Enter our dispatch modes in every thread that the program starts: modes are per thread."""

from __future__ import annotations

import functools
import threading

from detaudit.record.scope import Scope
from detaudit.torch_private.modes import DispatchMode


def watch_threads(mode: DispatchMode, scope: Scope) -> None:
    """Run every thread started from now on under the mode."""
    # Not `run`: subclasses override that without calling it.
    bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]  # the one place all threads pass

    @functools.wraps(bootstrap)
    def watched(thread: threading.Thread) -> None:
        with mode:
            bootstrap(thread)

    scope.replace(threading.Thread, "_bootstrap_inner", watched)
