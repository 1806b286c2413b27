"""Keep the recorder of this process, for code that cannot be handed the recorder."""

from __future__ import annotations

from detaudit.record.recorder import Recorder

_current: list[Recorder] = []
"""Holds the recorder of this process, or nothing."""


def current() -> Recorder | None:
    """Return the recorder of this process, if it is recorded."""
    return _current[0] if _current else None


def set_current(recorder: Recorder | None) -> None:
    """Make `recorder` the recorder of this process, in the place of any other; None: record no more."""
    _current[:] = [] if recorder is None else [recorder]
