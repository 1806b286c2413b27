"""The recorder of this process, for what has no other way to it."""

from __future__ import annotations

from detaudit.record.recorder import Recorder

_current: list[Recorder] = []
"""Empty or one entry."""


def current() -> Recorder | None:
    """Return the recorder of this process, if it is recorded."""
    return _current[0] if _current else None


def set_current(recorder: Recorder | None) -> None:
    """Make a recorder that of this process, in the place of any other; None: it is recorded no more."""
    _current[:] = [] if recorder is None else [recorder]
