"""Show the user's own tracebacks: without the frames through which detaudit looked on."""

from __future__ import annotations

import os
import sys
from types import TracebackType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def show_without_own_frames() -> None:
    """Leave detaudit's frames out of what Python shows of an exception, where it shows that itself."""
    show = sys.excepthook

    def showing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cleaned = without_own_frames(trace)
        show(kind, error.with_traceback(cleaned), cleaned)

    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = showing


def without_own_frames(trace: TracebackType | None) -> TracebackType | None:
    """Copy a traceback without the frames of detaudit itself (its examples are user code)."""
    frames = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_PACKAGE) or file.startswith(os.path.join(_PACKAGE, "examples")):
            frames.append(trace)
        trace = trace.tb_next
    cleaned = None
    for frame in reversed(frames):
        cleaned = TracebackType(cleaned, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return cleaned
