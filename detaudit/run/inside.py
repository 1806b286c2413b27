"""Apply the settings of `--vary` within a run, after torch is loaded and before the program uses it."""

from __future__ import annotations

import sys
from typing import Any

from detaudit.axes.axis import Axis, UnfitError
from detaudit.axes.catalogue import axis_named
from detaudit.record.session import Session
from detaudit.targets.driven import missing

EXIT_CONDITIONS = 3
"""The exit code of a run whose conditions are impossible; a line on standard error says why."""


def set_conditions(session: Session) -> None:
    """Set what the run's axes ask for. Ends the process where that cannot be had."""
    held = {one.source for one in session.held}
    try:
        for name, text in session.axes:
            # What is held fixed on purpose is not in force: a source and an axis of one name are one thing.
            if name not in held:
                _set(axis_named(name), text)
    except UnfitError as error:
        sys.stderr.write(f"detaudit: {error}\n")
        raise SystemExit(EXIT_CONDITIONS) from None


def _set(axis: Axis[Any], text: str) -> None:
    value = axis.setting(text).value
    if axis.needs_device is not None:
        # A script is shown the one device that is asked for: there, it is the first one.
        why = missing(axis.needs_device(value))
        if why is not None:
            raise UnfitError(f"no such device: {text} ({why})")
    if axis.in_process is not None:
        axis.in_process(value)
