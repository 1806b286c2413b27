"""Tasks that joblib hands to any process that is free: what they draw is held task by task."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from detaudit.sources.taps import Asked, Taps

_taps: list[Taps] = []
"""The taps of this process."""


def watch_tasks(taps: Taps) -> None:
    """Have what is held begin anew, by the number of the task, with each task in another process."""
    _taps[:] = [taps]
    taps.when_imported("joblib.parallel", lambda module: _tap_joblib(taps, module))


class Task:
    """A function in the place of the one that a task calls, with the number of the task."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        self._made_in = os.getpid()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Carry the task out."""
        if _taps and os.getpid() != self._made_in:
            _taps[0].begin_task(self._name)
        return self._function(*args, **kwargs)


def _tap_joblib(taps: Taps, module: Any) -> None:
    calls = itertools.count(1)

    def call(original: Any, parallel: Any, tasks: Iterable[Any]) -> Any:
        number = next(calls)
        if taps.holds_any:
            named = _named(tasks, f"{taps.process}.joblib{number}")
            # Its length is what tells joblib how many there are.
            tasks = list(named) if hasattr(tasks, "__len__") else named
        return original(parallel, tasks)

    taps.method(module.Parallel, "__call__", call, asked_by=Asked.PROGRAM, calls_program=True)


def _named(tasks: Iterable[Any], name: str) -> Iterator[Any]:
    for number, (function, args, kwargs) in enumerate(tasks):
        yield Task(function, f"{name}.{number}"), args, kwargs
