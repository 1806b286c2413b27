"""Dispatch modes are per thread: enter ours in every thread that the program starts."""

from __future__ import annotations

import functools
import threading

from torch.utils._python_dispatch import TorchDispatchMode


def watch_threads(mode: TorchDispatchMode) -> None:
    """Run every thread started from now on under the mode."""
    # Not `run`: subclasses override that without calling it.
    bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]  # the one place all threads pass

    @functools.wraps(bootstrap)
    def watched(thread: threading.Thread) -> None:
        with mode:
            bootstrap(thread)

    threading.Thread._bootstrap_inner = watched  # type: ignore[attr-defined]  # see above
