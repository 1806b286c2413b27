"""Wrap the hooks that observe a run: each is timed, none disturbs the program; keep its recorder at hand."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from detaudit.record.recorder import Recorder
from detaudit.torch_private.modes import without_function_modes

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_current: list[Recorder] = []
"""Holds the recorder of this process, or nothing."""


def observing(
    recorder: Recorder, hook: Callable[_Arguments, _Result]
) -> Callable[_Arguments, _Result | None]:
    """Wrap a hook: it is timed, and an error in it ends the recording but never the user's program."""

    @functools.wraps(hook)
    def guarded(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result | None:
        if not recorder.active:
            return None
        start = time.perf_counter()
        try:
            # A function mode of the program's own is not to see what is done here.
            with without_function_modes():
                return hook(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            recorder.fail(error)
            return None
        finally:
            recorder.seconds += time.perf_counter() - start

    return guarded


def current() -> Recorder | None:
    """Return the recorder of this process, if it is recorded."""
    return _current[0] if _current else None


def set_current(recorder: Recorder | None) -> None:
    """Make `recorder` the recorder of this process, in the place of any other; None: record no more."""
    _current[:] = [] if recorder is None else [recorder]
