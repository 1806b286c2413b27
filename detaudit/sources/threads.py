"""The schedule of threads and processes: which of them runs when, if several run at a time.

A pool of another library has its place here, in `completion` for the order of its results, in `polls` for
who asks whether a task is done, and in `pool_tasks` for the names of its tasks.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from types import FrameType, ModuleType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.polls import SCHEDULE, hand_over_at_polls, tap_polls
from detaudit.sources.source import Pace, Perturbation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps
from detaudit.sources.thread_faults import IN_PROCESS, adjust, by_place, concerns, name, name_change
from detaudit.sources.turns import Turns
from detaudit.sources.waits import take_turns

NAME = SCHEDULE
_STARTS, _GIVES_UP, _RUNS_BESIDE = Fact(Act.STARTS), Fact(Act.GIVES_UP), Fact(Act.RUNS_BESIDE)
_RUNS_IN_PROCESS = Fact(Act.RUNS_BESIDE, about=IN_PROCESS)
_TAKING_TASKS = (
    "apply",
    "apply_async",
    "map",
    "map_async",
    "starmap",
    "starmap_async",
    "imap",
    "imap_unordered",
)
"""Methods of a pool of processes that are given a function first."""
PATIENCE = 20.0
"""Seconds that a thread or process may run before the next is started, when they run one at a time.

The amount at which this source is held, where it says another."""
IDLE = 0.2
"""Seconds without progress after which a thread counts as waiting for another."""
POLL = 0.005

_POOLS = ("concurrent/futures/thread.py", "multiprocessing/dummy/__init__.py")
"""Files of Python's own library that start threads on the program's behalf."""

_TAPS = __file__.rpartition("threads.py")[0]

LONGEST_DELAY = 0.003
"""Seconds by which what starts beside the main thread is delayed at most, when the schedule varies."""

_sleep, _now, _entropy = time.sleep, time.monotonic, os.urandom


def jitter(taps: Taps) -> None:
    """Wait for a moment whose length is not the same twice, if the run is for that."""
    if taps.perturbation_of(NAME) is not None:
        _sleep(int.from_bytes(_entropy(2), "little") / 65_536 * LONGEST_DELAY)


def _tap(taps: Taps) -> None:
    taps.method(
        threading.Thread,
        "start",
        _start(taps, "threading.Thread"),
        asked_by=Asked.PROGRAM,
        calls_program=True,
    )
    for kind, module in (("Thread", "thread"), ("Process", "process")):
        taps.when_imported(
            f"concurrent.futures.{module}", partial(_tap_executor, taps, f"{kind}PoolExecutor")
        )
    taps.when_imported("concurrent.futures.thread", lambda module: _tap_tasks(taps, module))
    taps.when_imported("multiprocessing.pool", lambda module: _one_process(taps, module))
    taps.when_imported("multiprocessing.process", lambda module: _tap_process(taps, module))
    tap_polls(taps)
    if taps.holds(NAME):
        turns = Turns(taps.amount(NAME, PATIENCE), lambda why: taps.note(NAME, "schedule", why, _GIVES_UP))
        # The last tap of all: what calls is the program then.
        take_turns(turns, partial(_works_for_program, taps))
        hand_over_at_polls(taps, turns)


def _works_for_program(taps: Taps, starter: FrameType) -> bool:
    """Say whether a thread that is started works for the program; others cannot be put in order."""
    pool = sys.modules.get("multiprocessing.pool")
    of_pool = pool is not None and starter.f_code.co_filename == pool.__file__
    if of_pool and not isinstance(starter.f_locals.get("self"), pool.ThreadPool):  # type: ignore[union-attr]  # it has
        return False
    in_pool = of_pool or starter.f_code.co_filename.endswith(_POOLS)
    asking: FrameType | None = starter
    while in_pool and asking is not None and _belongs_to_pool(asking.f_code.co_filename):
        asking = asking.f_back
    return taps.lines.asked_by_program(asking, through_standard=in_pool)


def _belongs_to_pool(file: str) -> bool:
    return file.endswith((*_POOLS, "multiprocessing/pool.py")) or file.startswith(_TAPS)


def _start(taps: Taps, operation: str) -> Any:
    def start(original: Any, thread: Any) -> None:
        _delay(taps, thread)
        taps.several_threads = True
        taps.note(NAME, operation, thread.name, _STARTS)
        _note_function(taps, getattr(thread, "_target", None) or getattr(thread, "function", thread.run))
        original(thread)

    return start


def _note_function(taps: Taps, function: Any, fact: Fact = _RUNS_BESIDE) -> None:
    """Note where the function begins that is about to run beside the calling thread."""
    while isinstance(function, partial):
        function = function.func
    called = vars(type(function)).get("__call__")
    code = getattr(function, "__code__", None) or getattr(called, "__code__", None)
    if code is not None:
        taps.ledger.note(NAME, code.co_name, taps.lines.beginning(code), b"", fact)


def _delay(taps: Taps, thread: Any) -> None:
    """Let a thread begin a moment after it was started."""
    if taps.perturbation_of(NAME) is None:
        return
    run = thread.run

    def later() -> None:
        jitter(taps)
        run()

    thread.run = later


def _tap_tasks(taps: Taps, module: Any) -> None:
    """Note the tasks of a pool of threads; let each begin a moment after a thread took it, if they vary."""

    def submit(original: Any, pool: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        taps.several_threads = True
        _note_function(taps, function)
        if taps.perturbation_of(NAME) is None:
            return original(pool, function, *args, **kwargs)

        def later(*args: Any, **kwargs: Any) -> Any:
            jitter(taps)
            return function(*args, **kwargs)

        return original(pool, later, *args, **kwargs)

    taps.method(module.ThreadPoolExecutor, "submit", submit, calls_program=True)


def _tap_executor(taps: Taps, name: str, module: ModuleType) -> None:
    def begin(original: Any, pool: Any, max_workers: Any = None, *args: Any, **kwargs: Any) -> None:
        taps.note(NAME, f"concurrent.futures.{name}", max_workers, _STARTS)
        if name == "ProcessPoolExecutor" and taps.holds(NAME, taps.lines.here()):
            max_workers = 1
        original(pool, max_workers, *args, **kwargs)

    taps.method(getattr(module, name), "__init__", begin, asked_by=Asked.PROGRAM, calls_program=True)
    if name == "ProcessPoolExecutor":
        _note_tasks(taps, module.ProcessPoolExecutor, ("submit", "map"))


def _note_tasks(taps: Taps, kind: type, methods: Iterable[str]) -> None:
    """Note the functions that a pool is to call: one of processes, or of threads with the same methods."""

    def give(original: Any, pool: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        threads = getattr(sys.modules.get("multiprocessing.pool"), "ThreadPool", ())
        _note_function(taps, function, _RUNS_BESIDE if isinstance(pool, threads) else _RUNS_IN_PROCESS)
        return original(pool, function, *args, **kwargs)

    for method in methods:
        taps.method(kind, method, give, asked_by=Asked.PROGRAM, calls_program=True)


def _one_process(taps: Taps, module: Any) -> None:
    def begin(original: Any, pool: Any, processes: Any = None, *args: Any, **kwargs: Any) -> None:
        taps.note(NAME, f"multiprocessing.{type(pool).__name__}", processes, _STARTS)
        if not isinstance(pool, module.ThreadPool) and taps.holds(NAME, taps.lines.here()):
            processes = 1
        original(pool, processes, *args, **kwargs)

    # `multiprocessing.Pool(2)` is a method of a context, which makes the pool.
    through = Asked.PROGRAM_THROUGH_STANDARD
    taps.method(module.Pool, "__init__", begin, asked_by=through, calls_program=True)
    taps.method(module.ThreadPool, "__init__", begin, asked_by=through, calls_program=True)
    _note_tasks(taps, module.Pool, _TAKING_TASKS)


def _tap_process(taps: Taps, module: Any) -> None:
    def start(original: Any, process: Any) -> None:
        original(process)
        site = taps.note(NAME, "multiprocessing.Process", process.name, _STARTS)
        if taps.holds(NAME, site):
            _let_process_run(process, taps.amount(NAME, PATIENCE))

    taps.method(module.BaseProcess, "start", start, asked_by=Asked.PROGRAM, calls_program=True)


def _let_process_run(process: Any, patience: float) -> None:
    """Wait until a process has ended, or uses no processor time any more."""
    deadline = _now() + patience
    used, since = -1.0, _now()
    while process.is_alive() and _now() < deadline:
        now_used = _processor_time(process.pid)
        if now_used != used:
            used, since = now_used, _now()
        elif _now() - since > IDLE:
            return
        _sleep(POLL)


def _processor_time(process: int) -> float:
    try:
        with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
            return float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0


TIMES_AS_LONG = 4
"""The factor by which a thread that runs alone, recorded with a ledger, may be slower than in a plain run."""
LOADER_WORKERS = "loader-workers"


def _patience_of(pace: Pace) -> str:
    """Give the seconds that a thread may run alone: some times as long as a whole run has taken."""
    return repr(max(PATIENCE, TIMES_AS_LONG * pace.seconds))


SOURCE = Source(
    name=NAME,
    words="the schedule of threads and processes",
    causes=(Cause.THREAD_RACE, Cause.COMPLETION_ORDER, Cause.RNG_DRIFT),
    tap=_tap,
    suspicion=Suspicion(35, concerns=concerns, adjust=adjust, by_place=by_place),
    name_fault=name,
    amount=_patience_of,
    may_escape=True,
    asked_through=(NAME, LOADER_WORKERS),
    name_change=name_change,
    perturbed_by=(
        Perturbation("jitter", "random delays of up to 3 ms where threads and tasks of pools begin"),
    ),
)
