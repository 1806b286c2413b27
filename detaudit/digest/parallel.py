"""Digests of large values on several threads: xxhash lets other threads run while it reads a leaf.

The threads are not Python's `threading` ones, so that the program does not see them; they wait for work
without end and die with the process. A forked child, which has none of its parent's threads, starts its own.
"""

from __future__ import annotations

import _thread
import math
import os
import time
from collections.abc import Callable
from queue import SimpleQueue

from detaudit.digest.algorithm import LEAF_BYTES, digest_address, join_leaves, leaf_digests

LEAST_BYTES = 1 << 21
"""Values smaller than this are digested by the calling thread: waking another one would cost more."""

TRIALS = 4
"""The number of times that each way is timed before the faster way is chosen."""

_Outcome = list[bytes] | BaseException
_Work = tuple[Callable[[], list[bytes]], "SimpleQueue[_Outcome]"]


class _Workers:
    """Threads that take work from one queue; as many as were ever asked for."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Work] = SimpleQueue()
        self._count = 0

    def start(self, work: Callable[[], list[bytes]]) -> SimpleQueue[_Outcome]:
        """Have a thread do the work; what it gives, or raises, comes in the queue that is returned."""
        answer: SimpleQueue[_Outcome] = SimpleQueue()
        self._queue.put((work, answer))
        return answer

    def grow(self, count: int) -> None:
        """See to it that there are so many threads."""
        while self._count < count:
            self._count += 1
            _thread.start_new_thread(self._serve, ())

    def _serve(self) -> None:
        while True:
            work, answer = self._queue.get()
            try:
                answer.put(work())
            except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
                answer.put(error)


_workers = _Workers()


def _after_fork() -> None:
    global _workers  # noqa: PLW0603 - the parent's threads are not in the child
    _workers = _Workers()


os.register_at_fork(after_in_child=_after_fork)


class _DigestPace:
    """Measures which way is faster on this machine for values of about one size: alone, or in threads."""

    __slots__ = ("_best", "_tried")

    def __init__(self) -> None:
        self._best = [math.inf, math.inf]
        self._tried = 0

    def in_threads(self) -> bool:
        """Choose the way to take now: each in turn at first, then the way whose best time was shorter."""
        if self._tried < 2 * TRIALS:
            return bool(self._tried % 2)
        return self._best[True] < self._best[False]

    def note(self, seconds: float, *, in_threads: bool) -> None:
        """Note how long one way took."""
        self._tried += 1
        self._best[in_threads] = min(self._best[in_threads], seconds)


_paces: dict[tuple[int, int], _DigestPace] = {}
"""Paces by the size, to a power of two, and the number of threads."""


def digest_large(address: int, size: int, seed: int, threads: int) -> bytes:
    """Digest `size` bytes of host memory on up to so many threads, if that is the faster way here.

    The digest is that of `algorithm.digest_address`, whichever way is taken.
    """
    pace = _paces.setdefault((size.bit_length(), threads), _DigestPace())
    in_threads = pace.in_threads()
    start = time.perf_counter()
    if in_threads:
        digest = digest_in_threads(address, size, seed, threads)
    else:
        digest = digest_address(address, size, seed)
    pace.note(time.perf_counter() - start, in_threads=in_threads)
    return digest


def digest_in_threads(address: int, size: int, seed: int, threads: int) -> bytes:
    """Digest `size` bytes of host memory, more than one leaf, on several threads, the calling one among them.

    The digest is that of `algorithm.digest_address`, whatever the number of threads.
    """
    leaves = -(-size // LEAF_BYTES)
    share = -(-leaves // threads) * LEAF_BYTES
    starts = range(address, address + size, share)
    pieces = [(start, min(share, address + size - start)) for start in starts]
    _workers.grow(len(pieces) - 1)
    answers = [_workers.start(_piece(*piece)) for piece in pieces[1:]]
    digests = leaf_digests(*pieces[0])
    for answer in answers:
        outcome = answer.get()
        if isinstance(outcome, BaseException):
            raise outcome
        digests.extend(outcome)
    return join_leaves(digests, seed)


def _piece(address: int, size: int) -> Callable[[], list[bytes]]:
    return lambda: leaf_digests(address, size)
