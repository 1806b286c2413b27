"""Put every observer in place once torch is imported; do nothing before."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn, TypeAlias

import torch

from detaudit.model.trace import Level
from detaudit.record.backward import Backward
from detaudit.record.draws import IsolatedDraws
from detaudit.record.gradients import Gradients
from detaudit.record.loaders import Loaders
from detaudit.record.modules import Modules
from detaudit.record.names import Names
from detaudit.record.observing import current, set_current
from detaudit.record.operators import Operators, phase_of
from detaudit.record.pipelines import leave_out_inference
from detaudit.record.program_end import end_when_stopped, watch_over_end
from detaudit.record.rank_names import name_by_rank
from detaudit.record.recorder import Recorder
from detaudit.record.scope import RecordingScope
from detaudit.record.session import Session
from detaudit.record.sites import Sites
from detaudit.record.step_ends import Updates
from detaudit.record.weights import Weights
from detaudit.record.workers import watch_workers
from detaudit.sources import line_draws, side_draws
from detaudit.sources.imports import ImportWatch
from detaudit.sources.taps import Taps
from detaudit.torch_private.compiling import TRACERS
from detaudit.torch_private.modes import DispatchMode, innermost_mode

Attach: TypeAlias = Callable[[Recorder, Names], object]
"""Adds a listener to a recorder, and puts hooks of its own in place."""


def install(
    session: Session, sites: Sites, taps: Taps | None = None, attached: Sequence[Attach] = ()
) -> Recorder:
    """Start recording this process. Call once, after torch is imported and before the program uses it.

    `taps`: what was put in place before torch was there, whose ledger the recorder writes. `attached`: what
    adds the listeners of the run.
    """
    scope = RecordingScope()
    recorder = _observe(session, sites, taps, scope, attached)
    end_when_stopped(recorder, scope)
    recorder.on_stop = functools.partial(watch_over_end, recorder)
    # Registered early, so run late: what the program does at exit is still seen.
    atexit.register(recorder.close)
    return recorder


@contextlib.contextmanager
def recording(session: Session, attached: Sequence[Attach] = ()) -> Iterator[Recorder]:
    """Record this process for the time of the block, and take everything back at its end.

    Raises RuntimeError in a process that is recorded already.
    """
    if current() is not None:
        raise RuntimeError("this process is recorded already")
    scope = RecordingScope(lasting=False)
    recorder = _observe(session, Sites(), None, scope, attached)
    try:
        yield recorder
    finally:
        scope.end()
        recorder.close()
        recorder.active = False
        set_current(None)


def _observe(
    session: Session, sites: Sites, taps: Taps | None, scope: RecordingScope, attached: Sequence[Attach]
) -> Recorder:
    """Put every observer in place."""
    sites.add_machinery(os.path.dirname(torch.__file__) + os.sep)
    recorder = Recorder(session, sites, None if taps is None else taps.ledger, scope)
    set_current(recorder)
    names = Names(sites)
    gradients = Gradients(recorder, names)
    weights = Weights(recorder, names, gradients)
    updates = Updates(recorder, names, weights)
    Modules(recorder, names, weights, gradients, updates)
    Backward(recorder, weights, updates)
    Loaders(recorder)
    name_by_rank(recorder)
    leave_out_inference(recorder, ImportWatch() if taps is None else taps.imports)
    watch_workers(scope)
    _watch_forks()
    _close_when_leaving(recorder)
    if taps is not None:
        taps.ledger.phase = lambda: phase_of(recorder.stream()).value
        if taps.holds(side_draws.NAME) or taps.holds(line_draws.NAME):
            isolated = IsolatedDraws(taps)
            watch_threads(isolated, scope)
            if taps.holds(line_draws.NAME):
                _enter(isolated, scope)
    for attach in attached:
        attach(recorder, names)
    modes = list(recorder.listeners.modes)
    if session.level is Level.OP:
        # Above the others: it is to see what they give.
        modes.append(Operators(recorder, taps))
    _run_under(modes, scope)
    return recorder


def _run_under(modes: list[DispatchMode], scope: RecordingScope) -> None:
    """Run the calling thread, and those that it starts, under modes, the first of them innermost."""
    for mode in modes:
        step_aside_for_tracing(mode, scope)
        _enter(mode, scope)
    # The last to be put around a thread is the first to be entered in it.
    for mode in reversed(modes):
        watch_threads(mode, scope)


def _enter(mode: DispatchMode, scope: RecordingScope) -> None:
    """Run the calling thread under a mode from now on."""
    mode.__enter__()
    scope.on_end(lambda: mode.__exit__(None, None, None))


@functools.cache
def _watch_forks() -> None:
    # What is registered stays for good: once for each process is enough.
    os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    recorder = current()
    if recorder is not None:
        recorder.after_fork()


def _close_when_leaving(recorder: Recorder) -> None:
    leave = os._exit

    @functools.wraps(leave)
    def leaving(status: int) -> NoReturn:
        # Forked workers, and programs in a hurry, end without running exit handlers.
        recorder.close()
        leave(status)

    recorder.scope.replace(os, "_exit", leaving)


def watch_threads(mode: DispatchMode, scope: RecordingScope) -> None:
    """Run every thread started from now on under the mode."""
    # Not `run`: subclasses override that without calling it.
    bootstrap = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]  # the one place all threads pass

    @functools.wraps(bootstrap)
    def watched(thread: threading.Thread) -> None:
        with mode:
            bootstrap(thread)

    scope.replace(threading.Thread, "_bootstrap_inner", watched)


def step_aside_for_tracing(mode: DispatchMode, scope: RecordingScope) -> None:
    """Leave the mode for the time of each trace; what is traced is not recorded."""
    for tracer in TRACERS:
        scope.replace(*tracer, _without(mode, tracer.current))


def _without(mode: DispatchMode, tracer: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tracer)
    def tracing(*args: Any, **kwargs: Any) -> Any:
        # Only from the top of the stack: a mode that the program put on ours is the program's own affair.
        if innermost_mode() is not mode:
            return tracer(*args, **kwargs)
        mode.__exit__(None, None, None)
        try:
            return tracer(*args, **kwargs)
        finally:
            mode.__enter__()

    return tracing
