"""Give each audited process a heap of its own: runs that are compared must be as various as any other runs.

Where objects come to lie decides the order of a set of them, and what memory holds that is read before it is
written. As a program runs by itself, its objects fill blocks that were left free here and there, and which
those are differs from run to run. Recording fills these blocks first, with the same objects in each run, and
the program's own come to lie behind them, side by side, in an order that repeats itself. So blocks of every
size are taken, and half of them given back, by lot: before the program starts, once recording has begun, and
whenever so many objects are new that Python looks for garbage: by then the free blocks may be used up.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import repeat

# Taken now: taps may come to stand in their places.
from os import urandom
from time import perf_counter

ALIGNMENT, LARGEST_COMMON, LARGEST_OF_PYTHON, LARGEST = 16, 192, 512, 16_384
"""Python's own allocator has a size for each 16 bytes up to 512; larger blocks are the C library's."""
HEADER = b"".__sizeof__()
"""Bytes of a `bytes` object beside its content. The garbage collector does not count such objects."""
COMMON, OTHERS, LARGE = 150, 30, 30
"""How many blocks are taken at least, and fewer than twice as many: of a size of common objects, of any other
size of Python's, of larger ones in all."""
SHARE, ALLOWANCE = 0.05, 0.05
"""Of the time since recording began, and in seconds beside it: what may be spent on this."""

_kept: list[object] = []
"""What was taken and not given back."""


def scatter() -> None:
    """Leave free blocks of every size here and there, in an order of this process alone.

    Keeps about half a megabyte, and takes about a millisecond. Draws from nothing but the system's entropy.
    """
    before = len(_kept)
    lots = urandom(LARGEST)
    _kept.extend(_small(lots))
    _kept.extend(_large(lots))
    place, surplus = 0, (len(_kept) + before) // 2
    for lot in lots[:surplus]:
        last = _kept.pop()
        place = (place + 7 * lot) % (len(_kept) + 1)
        if place < len(_kept):
            _kept[place] = last


def keep_scattering() -> None:
    """Do so again and again, as objects are made."""
    gc.callbacks.append(_when_collected(perf_counter()))


def _when_collected(begun: float) -> Callable[[str, dict[str, int]], None]:
    spent = 0.0

    def collected(phase: str, _: dict[str, int]) -> None:
        nonlocal spent
        now = perf_counter()
        if phase == "stop" and spent < ALLOWANCE + SHARE * (now - begun):
            scatter()
            spent += perf_counter() - now

    return collected


def _small(lots: bytes) -> Iterator[object]:
    """Blocks of Python's allocator."""
    yield from (object() for _ in range(COMMON))
    yield from range(1 << 40, (1 << 40) + COMMON)
    for size in range(3 * ALIGNMENT, LARGEST_OF_PYTHON + 1, ALIGNMENT):
        least = COMMON if size <= LARGEST_COMMON else OTHERS
        yield from map(bytes, repeat(size - HEADER, least + lots[size] * least // 256))


def _large(lots: bytes) -> Iterator[object]:
    """Blocks of the C library's allocator. They hold text, as most that a program leaves behind does."""
    text = lots.hex().encode()
    for lot in lots[: LARGE + lots[0] * LARGE // 256]:
        # As many between 512 and 1024 bytes as between 1024 and 2048, and so on.
        least = LARGEST_OF_PYTHON << lot % 5
        yield text[-least - lot * least // 256 :]
