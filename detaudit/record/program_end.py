"""End a stopped program after the requested steps, whatever parts of the program would go on.

`sys.exit` waits for threads and child processes that the program would have ended itself, had it come so far.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from detaudit.record.scope import RecordingScope

if TYPE_CHECKING:
    from detaudit.record.recorder import Recorder

GRACE = 0.5
"""Seconds that threads get to end by themselves once the main thread has ended."""
LONGEST = 30.0
"""Seconds after which a stopped program that still tidies up, or waits for its children, is ended."""
_POLL = 0.01


def end_when_stopped(recorder: Recorder, scope: RecordingScope) -> None:
    """Make sure that the process ends once the recorder has stopped its program."""
    shutdown = threading._shutdown  # type: ignore[attr-defined]  # where the interpreter waits for threads

    def ending() -> None:
        if recorder.stopped and not _threads_end():
            atexit._run_exitfuncs()
            leave()
        shutdown()

    scope.replace(threading, "_shutdown", ending)


def watch_over_end(recorder: Recorder) -> None:
    """End the process if it has not ended by itself some time after it was stopped."""

    def watch() -> None:
        time.sleep(LONGEST)
        recorder.close()
        leave()

    threading.Thread(target=watch, name="detaudit-end", daemon=True).start()


def leave() -> None:
    """End the process now, as `sys.exit(0)` would have."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(0)


def _threads_end() -> bool:
    """Say whether the program's threads end by themselves in a moment."""
    end = time.monotonic() + GRACE
    while any(_holds_up(thread) for thread in threading.enumerate()):
        if time.monotonic() > end:
            return False
        time.sleep(_POLL)
    return True


def _holds_up(thread: threading.Thread) -> bool:
    return thread is not threading.main_thread() and not thread.daemon and thread.is_alive()
