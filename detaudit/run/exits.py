"""Learn with which status this process ends, and do something last, without changing how it ends."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

Last = Callable[[int], object]


class Exits:
    """Watches how a process ends by itself: after its last line, by an exception, `sys.exit` or `os._exit`.

    `raise SystemExit` by hand is not seen. A `sys.exit` that the program takes back counts all the same.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._last: Last | None = None
        self._asked = 0

    def when_left(self, last: Last) -> None:
        """Call `last` with the exit status when this process ends: this one, none that it forks."""
        self._process, self._last = os.getpid(), last
        exit_, leave = sys.exit, os._exit

        @functools.wraps(exit_)
        def exiting(status: object = None, /) -> NoReturn:
            if threading.current_thread() is threading.main_thread():
                self._asked = _number(status)
            exit_(status)  # type: ignore[arg-type]  # whatever the program gives

        @functools.wraps(leave)
        def leaving(status: int) -> NoReturn:
            self._end(status)
            leave(status)

        sys.exit, os._exit = exiting, leaving

    def leave(self) -> None:
        """Do what is to be done last."""
        failed = getattr(sys, "last_type", None) is not None
        self._end(self._asked or int(failed))

    def _end(self, status: int) -> None:
        last, self._last = self._last, None
        if last is not None and os.getpid() == self._process:
            last(status)


def _number(status: object) -> int:
    """Give the exit status for what `sys.exit` was called with."""
    if status is None:
        return 0
    return status & 0xFF if isinstance(status, int) else 1
