"""Find where Python's threads wait: for locks, queues, sleeps, each other, and what is outside the process.

`Turns` is told of each wait, and decides which thread goes on. A thread gets at once what is there at once.
"""

from __future__ import annotations

import _queue
import _thread
import select
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

from detaudit.sources.patching import replace_function, replace_method
from detaudit.sources.turns import Member, Turns, never

Admits = Callable[[FrameType], bool]
"""Says whether a thread is to take turns, by the frame that starts it."""

_LOCK = type(_thread.allocate_lock())
_IN_THREADING = threading.__file__
_OWN = __file__.rpartition("sources")[0]


def take_turns(turns: Turns, admits: Admits) -> None:
    """Put all waits of the process under a schedule."""
    for name in ("acquire", "acquire_lock", "__enter__"):
        replace_method(_LOCK, name, _lock(turns))
    free = _is_free(_thread.RLock.acquire, _thread.RLock.release, _thread.RLock._is_owned)  # type: ignore[attr-defined]  # it has, unlisted
    for name in ("acquire", "__enter__"):
        replace_method(_thread.RLock, name, _acquire(turns, _thread.RLock.acquire, free))
    replace_method(_thread.RLock, "_acquire_restore", _restored(turns, free))
    replace_method(_queue.SimpleQueue, "get", _got(turns))
    replace_function(time, "sleep", _slept(turns))
    _between_threads(turns, admits)
    _from_outside(turns)


def _lock(turns: Turns) -> Callable[[Any], Any]:
    locked = _LOCK.locked
    return _acquire(turns, _LOCK.acquire, lambda lock: not locked(lock))


def _acquire(turns: Turns, acquire: Any, free: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """Make what acquires a lock; `free` tells whether one can be had, asked by any thread."""

    def acquired(lock: Any, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002 - as the method
        if blocking and acquire(lock, False):  # noqa: FBT003 - as above
            return True
        me = turns.me()
        if me is None or (timeout < 0 and timeout != -1):
            return bool(acquire(lock, blocking, timeout))
        if not blocking:
            return _tried(turns, acquire(lock, blocking, timeout))
        while turns.wait(me, lambda: free(lock), None if timeout == -1 else timeout):
            if acquire(lock, False):  # noqa: FBT003 - as above
                return True
            if turns.ended:
                return bool(acquire(lock, True, timeout))  # noqa: FBT003 - as above
        return bool(acquire(lock, False))  # noqa: FBT003 - as above

    return lambda _original: acquired


def _tried(turns: Turns, value: object) -> bool:
    # A condition asks in this way whether its own lock is taken.
    if not value and sys._getframe(2).f_code.co_filename != _IN_THREADING:
        turns.poll()
    return bool(value)


def _is_free(acquire: Any, release: Any, is_owned: Any) -> Callable[[Any], bool]:
    """Make what tells whether a lock that its owner can take again is nobody's."""

    def free(lock: Any) -> bool:
        if is_owned(lock) or not acquire(lock, False):  # noqa: FBT003 - as the method
            return False
        release(lock)
        return True

    return free


def _restored(turns: Turns, free: Callable[[Any], bool]) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def restore(lock: Any, state: Any) -> None:
            me = turns.me()
            while me is not None and not free(lock) and not turns.ended:
                turns.wait(me, lambda: free(lock))
            original(lock, state)

        return restore

    return make


def _got(turns: Turns) -> Callable[[Any], Any]:
    empty = _queue.SimpleQueue.empty

    def make(original: Any) -> Any:
        def get(queue: Any, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - as the method
            me = turns.me()
            own = me is not None and sys._getframe(1).f_code.co_filename.startswith(_OWN)
            if me is None or own or not block or (timeout is not None and timeout < 0):
                return original(queue, block, timeout)
            while empty(queue) and not turns.ended:
                if not turns.wait(me, lambda: not empty(queue), timeout):
                    return original(queue, False)  # noqa: FBT003 - as the method
            return original(queue, block, timeout)

        return get

    return make


def _slept(turns: Turns) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def sleep(seconds: float) -> None:
            me = turns.me()
            if me is None or not seconds >= 0:
                original(seconds)
            else:
                turns.wait(me, never, float(seconds))

        return sleep

    return make


def _between_threads(turns: Turns, admits: Admits) -> None:
    """Tap the beginning and the end of threads, and who waits for it."""
    thread_type: Any = threading.Thread

    def starting(original: Any) -> Any:
        def start(thread: threading.Thread) -> None:
            if not admits(sys._getframe(1)) or not turns.admit(thread):
                turns.meet(thread)
                original(thread)
                return
            try:
                original(thread)
            except RuntimeError:
                turns.dismiss(thread)
                raise

        return start

    def beginning(original: Any) -> Any:
        def bootstrap(thread: threading.Thread) -> None:
            if turns.of(thread) is None:
                original(thread)
                return
            turns.enter(thread)
            try:
                original(thread)
            finally:
                turns.leave()

        return bootstrap

    replace_method(thread_type, "start", starting)
    replace_method(thread_type, "_bootstrap", beginning)
    replace_method(thread_type, "join", _joined(turns))
    replace_method(thread_type, "is_alive", _lives(turns))
    if not hasattr(thread_type, "_wait_for_tstate_lock"):
        # Newer Pythons wait for the last threads in C, out of sight.
        replace_function(threading, "_shutdown", _at_the_end(turns))


def _joined(turns: Turns) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def join(thread: threading.Thread, timeout: float | None = None) -> None:
            me, other = turns.me(), turns.of(thread)
            if me is None or other is None or other is me:
                original(thread, timeout)
                return
            if not other.left and not turns.wait(me, lambda: other.left, _not_negative(timeout)):
                return
            # What is left of it ends by itself, at once.
            with turns.for_real():
                original(thread, None if other.left else timeout)

        return join

    return make


def _lives(turns: Turns) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def is_alive(thread: threading.Thread) -> bool:
            other = turns.of(thread)
            # Between its last turn and its end, a thread would be alive or not by chance.
            return bool(original(thread)) and (other is None or not other.left)

        return is_alive

    return make


def _at_the_end(turns: Turns) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def shutdown() -> None:
            for thread in threading.enumerate():
                if turns.of(thread) is not None and not thread.daemon and _joinable(thread):
                    thread.join()
            original()

        return shutdown

    return make


def _joinable(thread: threading.Thread) -> bool:
    # The threads of a pool end only when the pool is told to, within the original.
    pool = sys.modules.get("concurrent.futures.thread")
    return thread is not threading.current_thread() and thread not in getattr(pool, "_threads_queues", ())


def _not_negative(timeout: float | None) -> float | None:
    return None if timeout is None else max(timeout, 0)


def _from_outside(turns: Turns) -> None:
    """Tap waits for files, pipes and other processes."""
    poll_types = [type(select.poll())] if hasattr(select, "poll") else []
    for kind in poll_types:
        replace_method(kind, "poll", _polled(turns, 0.001))
    if hasattr(select, "epoll"):
        replace_method(select.epoll, "poll", _polled(turns, 1.0))
    semaphore: Any = import_module("_multiprocessing").SemLock
    is_zero, acquire = semaphore._is_zero, semaphore.acquire

    def acquired(lock: Any, block: bool = True, timeout: float | None = None) -> bool:  # noqa: FBT001, FBT002 - as the method
        me = turns.me()
        if not block or me is None:
            return bool(acquire(lock, block, timeout))
        while not acquire(lock, False):  # noqa: FBT003 - as the method
            if not turns.wait(me, lambda: not is_zero(lock), _not_negative(timeout), from_outside=True):
                return bool(acquire(lock, False))  # noqa: FBT003 - as the method
            if turns.ended:
                return bool(acquire(lock, block, timeout))
        return True

    replace_method(semaphore, "acquire", lambda _: acquired)
    replace_method(semaphore, "__enter__", lambda _: acquired)


def _polled(turns: Turns, unit: float) -> Callable[[Any], Any]:
    """Make what waits for files; `unit`: seconds in which its timeout is told."""

    def make(original: Any) -> Any:
        def poll(watch: Any, timeout: float | None = None, *more: Any, **named: Any) -> Any:
            me = turns.me()
            if me is None or timeout == 0:
                return original(watch, timeout, *more, **named)
            found = _first_of(turns, me, lambda: original(watch, 0, *more, **named), _seconds(timeout, unit))
            return original(watch, timeout, *more, **named) if found is None else found

        return poll

    return make


def _first_of(
    turns: Turns, me: Member, look: Callable[[], list[Any]], timeout: float | None
) -> list[Any] | None:
    """Wait for what a look shows; None where it is to be waited for as always."""
    found = look()

    def ready() -> bool:
        found[:] = look()
        return bool(found)

    while not found and turns.wait(me, ready, timeout, from_outside=True):
        if turns.ended:
            return None
    return found


def _seconds(timeout: float | None, unit: float) -> float | None:
    return None if timeout is None or timeout < 0 else timeout * unit
