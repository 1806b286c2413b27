"""The schedule of threads and processes: what runs when, if several run at a time."""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from types import FrameType, ModuleType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact, LedgerEntry, Whose
from detaudit.model.result import Divergence
from detaudit.model.trace import Phase
from detaudit.sources.changes import ChangeSeen
from detaudit.sources.completion import name_queue, queue_line
from detaudit.sources.observation import Naming, Observation, drawn_more
from detaudit.sources.source import Pace, Source, Variation
from detaudit.sources.suspicion import CERTAIN, Suspicion, always
from detaudit.sources.taps import Asked, Taps
from detaudit.sources.turns import Turns
from detaudit.sources.waits import take_turns

NAME = "thread-schedule"
_STARTS, _GIVES_UP = Fact(Act.STARTS), Fact(Act.GIVES_UP)
PATIENCE = 20.0
"""Seconds that a thread or process may run before the next is started, when they run one at a time.

The amount at which this source is held, where it says another."""
IDLE = 0.2
"""Seconds without progress after which it counts as waiting for another."""
POLL = 0.005

_POOLS = ("concurrent/futures/thread.py", "multiprocessing/dummy/__init__.py")
"""Files of Python's own library that start threads on the program's behalf."""

_TAPS = __file__.rpartition("threads.py")[0]

LONGEST_DELAY = 0.003
"""Seconds by which what starts beside the main thread is delayed at most, when the schedule varies."""

_sleep, _now, _start_thread, _entropy = time.sleep, time.monotonic, threading.Thread.start, os.urandom


def jitter(taps: Taps) -> None:
    """Wait for a moment whose length is not the same twice, if the run is for that."""
    if taps.varied(NAME) is not None:
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
        taps.when_imported(f"concurrent.futures.{module}", partial(_tap_executor, taps, f"{kind}PoolExecutor"))
    taps.when_imported("concurrent.futures.thread", lambda module: _delay_tasks(taps, module))
    taps.when_imported("multiprocessing.pool", lambda module: _one_process(taps, module))
    taps.when_imported("multiprocessing.process", lambda module: _tap_process(taps, module))
    if taps.holds(NAME):
        turns = Turns(taps.amount(NAME, PATIENCE), lambda why: taps.note(NAME, "schedule", why, _GIVES_UP))
        # The last tap of all: what calls is the program then.
        take_turns(turns, partial(_is_the_programs, taps))


def _is_the_programs(taps: Taps, thread: threading.Thread, starter: FrameType) -> bool:
    """Whether a thread works for the program; others, of torch or between processes, cannot be put in order."""
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


def _start(taps: Taps, operation: str) -> Any:  # noqa: ANN401 - a handler
    def start(original: Any, thread: Any) -> None:  # noqa: ANN401 - as the method
        _delay(taps, thread)
        taps.note(NAME, operation, thread.name, _STARTS)
        original(thread)

    return start


def _delay(taps: Taps, thread: Any) -> None:  # noqa: ANN401 - a threading.Thread
    """Let a thread begin a moment after it was started."""
    if taps.varied(NAME) is None:
        return
    run = thread.run

    def later() -> None:
        jitter(taps)
        run()

    thread.run = later


def _delay_tasks(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    """Let each task of a pool of threads begin a moment after a thread took it."""
    if taps.varied(NAME) is None:
        return

    def submit(original: Any, pool: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        def later(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the task
            jitter(taps)
            return function(*args, **kwargs)

        return original(pool, later, *args, **kwargs)

    taps.method(module.ThreadPoolExecutor, "submit", submit, calls_program=True)


def _tap_executor(taps: Taps, name: str, module: ModuleType) -> None:
    def begin(original: Any, pool: Any, max_workers: Any = None, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the method
        taps.note(NAME, f"concurrent.futures.{name}", max_workers, _STARTS)
        if name == "ProcessPoolExecutor" and taps.holds(NAME, taps.lines.here()):
            max_workers = 1
        original(pool, max_workers, *args, **kwargs)

    taps.method(getattr(module, name), "__init__", begin, asked_by=Asked.PROGRAM, calls_program=True)


def _one_process(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    def begin(original: Any, pool: Any, processes: Any = None, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the method
        taps.note(NAME, f"multiprocessing.{type(pool).__name__}", processes, _STARTS)
        if not isinstance(pool, module.ThreadPool) and taps.holds(NAME, taps.lines.here()):
            processes = 1
        original(pool, processes, *args, **kwargs)

    taps.method(module.Pool, "__init__", begin, asked_by=Asked.PROGRAM, calls_program=True)
    taps.method(module.ThreadPool, "__init__", begin, asked_by=Asked.PROGRAM, calls_program=True)


def _tap_process(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    def start(original: Any, process: Any) -> None:  # noqa: ANN401 - as the method
        original(process)
        site = taps.note(NAME, "multiprocessing.Process", process.name, _STARTS)
        if taps.holds(NAME, site):
            _let_process_run(process, taps.amount(NAME, PATIENCE))

    taps.method(module.BaseProcess, "start", start, asked_by=Asked.PROGRAM, calls_program=True)


def _let_process_run(process: Any, patience: float) -> None:  # noqa: ANN401 - a multiprocessing.Process
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
"""How much longer than in a plain run a thread may take that runs alone, recorded with a ledger."""
LOADER_WORKERS = "loader-workers"


def _patience_of(pace: Pace) -> str:
    """Give the seconds that a thread may run alone: some times as long as a whole run has taken."""
    return repr(max(PATIENCE, TIMES_AS_LONG * pace.seconds))


def _by_place(divergence: Divergence) -> float:
    in_loader = divergence.stream.startswith("loader worker")
    return 0 if divergence.stream == "main" or in_loader else CERTAIN - 5


def _name(seen: Observation) -> Naming:
    drawing = _thread_that_draws(seen)
    if drawing is not None:
        words = f"several threads draw from one generator ({drawing.operation}), in no fixed order"
        return seen.name_at(Cause.RNG_DRIFT, drawing, words, OWN_GENERATOR_FIX)
    drift = seen.drifting()
    if drift:
        words = f"how far other threads are decides how often a line draws: {drawn_more(drift[0])}"
        return seen.name_at(Cause.RNG_DRIFT, drift[0].entry, words, OWN_GENERATOR_FIX)
    first, queue = seen.comparison.first, queue_line(seen)
    in_main = first is not None and "/" not in first.stream
    if queue is not None and in_main:
        return name_queue(seen, queue)
    return _name_race(seen, None if in_main else first)


def _name_race(seen: Observation, beside: Divergence | None) -> Naming:
    """Name the access that no order is given to; `beside` is where the runs part in a side thread."""
    entry, words = seen.telling(), "threads or processes work on shared data in no fixed order"
    if beside is not None and beside.event.site is not None and beside.event.place.phase is Phase.OPTIMIZER:
        others = () if entry is None or entry.site is None else (entry.site,)
        symbol = None if entry is None else entry.operation
        return Naming(Cause.THREAD_RACE, beside.event.site, symbol, words, others)
    if entry is None:
        return seen.name_bare(Cause.THREAD_RACE)
    return seen.name_at(Cause.THREAD_RACE, entry, words)


def _thread_that_draws(seen: Observation) -> LedgerEntry | None:
    draws = [
        pair.entry
        for pair in seen.all_pairs
        if pair.entry.act is Act.DRAWS and pair.entry.fact.whose is Whose.GLOBAL
    ]
    by_side = [entry for entry in draws if not entry.in_main_thread]
    shared = {(entry.source, entry.stream) for entry in draws if entry.in_main_thread}
    for entry in by_side:
        if (entry.source, entry.stream) in shared or len({one.thread for one in by_side}) > 1:
            return entry
    return None


def _name_change(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    finished = seen.last(lambda entry: entry.act in {Act.TAKES_RESULT, Act.TAKES_FROM_QUEUE})
    if finished is not None:
        return Cause.COMPLETION_ORDER, finished
    kinds = {Act.STARTS, Act.STARTS_WORKERS, Act.SHARDS_AMONG_WORKERS}
    started = (pair.entry for pair in seen.pairs if pair.entry.act in kinds and pair.entry.site is not None)
    return seen.cause, next(started, None)


OWN_GENERATOR_FIX = (
    "give each thread a generator of its own (random.Random, np.random.default_rng, torch.Generator), "
    "seeded by its number"
)

SOURCE = Source(
    name=NAME,
    words="the schedule of threads and processes",
    causes=(Cause.THREAD_RACE, Cause.COMPLETION_ORDER, Cause.RNG_DRIFT),
    tap=_tap,
    suspicion=Suspicion(35, concerns=always, by_place=_by_place),
    name_fault=_name,
    amount=_patience_of,
    may_escape=True,
    asked_through=(NAME, LOADER_WORKERS),
    name_change=_name_change,
    varied_by=(Variation("jitter", "random delays of up to 3 ms where threads and tasks of pools begin"),),
)
