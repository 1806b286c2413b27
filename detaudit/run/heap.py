"""Give each audited process a heap of its own: runs that are compared must be as various as any other runs.

Where objects come to lie decides the order of a set of them, and what memory holds that is read before it is
written. As a program runs by itself, its objects fill blocks that were left free here and there, and which
those are differs from run to run. Recording fills these blocks first, with the same objects in each run, and
the program's own come to lie behind them, side by side, in an order that repeats itself. So blocks of every
size are taken, and half of them given back, by lot: before the program starts, once recording has begun, and
whenever so many objects are new that Python looks for garbage: by then the free blocks may be used up.
"""

from __future__ import annotations

import atexit
import gc
from _thread import allocate_lock
from collections.abc import Callable, Iterator
from itertools import repeat

# Taken now: taps may come to stand in their places.
from os import urandom
from time import perf_counter, thread_time

ALIGNMENT, LARGEST_COMMON, LARGEST_OF_PYTHON = 16, 192, 512
"""Python's own allocator has a size for each 16 bytes up to 512; larger blocks are the C library's."""
HEADER = b"".__sizeof__()
"""Bytes of a `bytes` object beside its content. The garbage collector does not count such objects."""
FIRST, LATER = 120, 30
"""The least number of blocks that are taken of each common size, at first and later; the actual number is up
to twice as large. Of other sizes, a fifth is taken."""
SHARE, ALLOWANCE = 0.05, 0.1
"""The most processor time that this may take later: a share of the time since the beginning, plus seconds."""
LOTS = 8192

_kept: list[object] = []
"""The blocks that were taken and not given back."""

_busy = allocate_lock()


def scatter(least: int = FIRST) -> None:
    """Leave free blocks of every size here and there, in an order of this process alone.

    Keeps some hundred kilobytes, and takes about a millisecond. Draws from nothing but the system's entropy.
    """
    # Held where another thread is at it, or where this one was when Python came to look for garbage.
    if _busy.acquire(blocking=False):
        try:
            _exchange(urandom(LOTS), least)
        finally:
            _busy.release()


def keep_scattering() -> None:
    """Do so again and again, as objects are made, until the interpreter takes itself apart."""
    collected = _when_collected(perf_counter())
    gc.callbacks.append(collected)
    atexit.register(_leave, collected)


def _leave(callback: object) -> None:
    # The program may have taken it away.
    if callback in gc.callbacks:
        gc.callbacks.remove(callback)


def _when_collected(begun: float) -> Callable[[str, dict[str, int]], None]:
    spent = 0.0

    def collected(phase: str, _: dict[str, int]) -> None:
        nonlocal spent
        if phase == "stop" and spent < ALLOWANCE + SHARE * (perf_counter() - begun):
            before = thread_time()
            scatter(LATER)
            spent += thread_time() - before

    return collected


def _exchange(lots: bytes, least: int) -> None:
    """Take new blocks, and give back all but half as many of them and of those that were kept."""
    before = len(_kept)
    _kept.extend(_small(lots, least))
    _kept.extend(_large(lots, least // 5))
    place = 0
    for lot in lots[: (len(_kept) + before) // 2]:
        last = _kept.pop()
        place = (place + 7 * lot) % (len(_kept) + 1)
        if place < len(_kept):
            _kept[place] = last


def _small(lots: bytes, common: int) -> Iterator[object]:
    """Blocks of Python's allocator."""
    yield from (object() for _ in range(common))
    yield from range(1 << 40, (1 << 40) + common)
    for size in range(3 * ALIGNMENT, LARGEST_OF_PYTHON + 1, ALIGNMENT):
        least = common if size <= LARGEST_COMMON else common // 5
        yield from map(bytes, repeat(size - HEADER, least + lots[size] * least // 256))


def _large(lots: bytes, least: int) -> Iterator[object]:
    """Blocks of the C library's allocator. They hold text, as most that a program leaves behind does."""
    text = lots.hex().encode()
    for lot in lots[: least + lots[0] * least // 256]:
        # As many between 512 and 1024 bytes as between 1024 and 2048, and so on.
        size = LARGEST_OF_PYTHON << lot % 5
        yield text[-size - lot * size // 256 :]
