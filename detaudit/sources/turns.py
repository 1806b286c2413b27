"""Threads that take turns: one at a time runs, and hands over only where it waits.

Who is next is decided by the order in which the threads were made, and time passes only when nobody can run:
the earliest deadline comes first. So how the threads interleave is a function of the program alone. What
only others can give (a process, a thread that takes no turns) is waited for in real time.
"""

from __future__ import annotations

import os
import threading
import time
from _thread import allocate_lock, get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

SLICE = 0.0002
"""Seconds of real time between two checks whether any thread can run."""
SHORTEST = 0.1
"""The least seconds that a wait with a time limit takes in the threads' own time. Programs vary the length of
short sleeps, by chance or by the clock; that must not decide which thread goes on."""

_now, _sleep, _is_alive = time.monotonic, time.sleep, threading.Thread.is_alive
_acquire, _release = type(allocate_lock()).acquire, type(allocate_lock()).release
"""The original functions, before anything was put in their place."""

Ready = Callable[[], bool]
"""Says whether a waiting thread can go on; called by the thread that hands over."""


def never() -> bool:
    """Tell that only time ends a wait: a sleep."""
    return False


def _always() -> bool:
    return True


def _closed_gate() -> Any:
    gate = allocate_lock()
    _acquire(gate)
    return gate


@dataclass(slots=True, eq=False)
class Member:
    """A thread that takes turns."""

    number: int
    """The thread's number, in the order of creation."""
    gate: Any = field(default_factory=_closed_gate)
    """The lock at which the thread stands while others run."""
    ready: Ready = _always
    deadline: float | None = None
    """The time at which the thread stops waiting, in the threads' own time."""
    from_outside: bool = False
    """Whether the thread waits for something that no other member gives: time then passes as it really
    does."""
    expired: bool = False
    aside: bool = False
    """Whether the thread waits for real at the moment, without handing over."""
    left: bool = False
    looks_on: bool = False
    """Whether the thread has the turn only to check whether any thread can run."""


class Turns:
    """The threads of a process that take turns, and whose turn it is."""

    def __init__(self, patience: float, on_end: Callable[[str], object]) -> None:
        self._patience = patience
        self._on_end = on_end
        self._members: dict[int, Member] = {}
        self._by_thread: WeakKeyDictionary[threading.Thread, Member] = WeakKeyDictionary()
        self._strangers: WeakSet[threading.Thread] = WeakSet()
        self._order: list[Member] = []
        self._count = 0
        self._time = 0.0
        self._handed = 0
        """The number of times that a thread has handed over to another."""
        self._idle = False
        """Whether the thread with the turn only waits for another thread to be ready."""
        self.ended = False
        """Whether the threads no longer take turns, since the order could not be kept."""
        os.register_at_fork(after_in_child=self._after_fork)

    def me(self) -> Member | None:
        """Find the calling thread among those that take turns; None where it is to wait as always."""
        if self.ended or len(self._order) < 2:  # noqa: PLR2004 - nobody to hand over to
            return None
        member = self._members.get(get_ident())
        return None if member is None or member.aside else member

    def of(self, thread: threading.Thread) -> Member | None:
        """Find a thread among those that took turns, unless the order was given up."""
        return None if self.ended else self._by_thread.get(thread)

    def admit(self, thread: threading.Thread) -> bool:
        """Let a thread that the calling thread is about to start take turns."""
        if self.ended:
            return False
        mine = get_ident()
        if not self._order:
            self._members[mine] = self._new()
        if mine not in self._members:
            return False
        self._by_thread[thread] = self._new()
        return True

    def dismiss(self, thread: threading.Thread) -> None:
        """Forget a thread that could not be started."""
        self._order.remove(self._by_thread.pop(thread))

    def meet(self, stranger: threading.Thread) -> None:
        """Know of a thread that takes no turns, and on which others may wait."""
        self._strangers.add(stranger)

    def enter(self, thread: threading.Thread) -> None:
        """Begin, in a thread that was admitted: wait for the first turn."""
        member = self._by_thread[thread]
        self._members[get_ident()] = member
        self._park(member)

    def leave(self) -> None:
        """End: hand over for the last time."""
        member = self._members.pop(get_ident(), None)
        if member is None:
            return
        member.left = True
        if member in self._order:
            self._order.remove(member)
        following = self._first_ready(member)
        if following is None and self._order:
            # A thread that ends must not wait: somebody may wait for its very end.
            following = self._order[0]
            following.looks_on = True
        if following is not None and not self.ended:
            self._give(following)

    def wait(
        self, me: Member, ready: Ready, timeout: float | None = None, *, from_outside: bool = False
    ) -> bool:
        """Hand over until what is waited for is there, or the order is given up; False after the timeout."""
        me.ready, me.from_outside, me.expired = ready, from_outside, False
        me.deadline = None if timeout is None else self._time + max(timeout, SHORTEST)
        # What a finaliser waits for in between is waited for as always.
        me.aside = True
        try:
            self._hand_over(me)
        except BaseException:
            self.end("a wait was interrupted")
            raise
        finally:
            me.aside = False
            me.ready, me.deadline, me.from_outside = _always, None, False
        return not me.expired

    def poll(self) -> None:
        """Let others go on: the calling thread asked for something that is not there yet."""
        me = self.me()
        if me is not None:
            self.wait(me, never, SHORTEST)

    @contextmanager
    def for_real(self) -> Iterator[None]:
        """Wait within the block without handing over."""
        me = self.me()
        if me is None:
            yield
            return
        me.aside = True
        try:
            yield
        finally:
            me.aside = False

    def end(self, why: str) -> None:
        """Give the order up: from now on, all threads run as they always would."""
        if self.ended:
            return
        self.ended = True
        self._on_end(why)
        for one in list(self._order):
            self._open(one)

    def _new(self) -> Member:
        self._count += 1
        member = Member(self._count)
        self._order.append(member)
        return member

    def _hand_over(self, me: Member) -> None:
        while True:
            following = self._following(me)
            if following is None or following is me:
                return
            self._give(following)
            self._park(me)
            if not me.looks_on or self.ended:
                return
            me.looks_on = False

    def _following(self, me: Member) -> Member | None:
        """Find who is next, the caller last; wait for real as long as nobody can go on."""
        try:
            while not self.ended:
                following = self._first_ready(me)
                if following is not None:
                    return following
                self._idle = True
                if self._pass_time():
                    return self._expire()
        finally:
            self._idle = False
        return None

    def _first_ready(self, me: Member) -> Member | None:
        later = [one for one in self._order if one.number > me.number]
        earlier = self._order[: len(self._order) - len(later)]
        return next((one for one in (*later, *earlier) if one.ready()), None)

    def _pass_time(self) -> bool:
        """Let time pass where nobody is ready; tell whether a deadline has come."""
        first = min((one.deadline for one in self._order if one.deadline is not None), default=None)
        if first is None or self._others_may_help():
            begun = _now()
            _sleep(SLICE)
            self._time += _now() - begun
            return first is not None and first <= self._time
        _sleep(max(0.0, min(SLICE, first - self._time)))
        self._time = max(self._time, first)
        return True

    def _expire(self) -> Member:
        waiting = [one for one in self._order if one.deadline is not None]
        one = min(waiting, key=lambda member: member.deadline or 0.0)
        one.expired = True
        return one

    def _others_may_help(self) -> bool:
        """Say whether somebody who takes no turns may give what is waited for."""
        if any(one.from_outside for one in self._order):
            return True
        return any(_is_alive(stranger) for stranger in list(self._strangers))

    def _give(self, member: Member) -> None:
        self._handed += 1
        self._open(member)

    def _open(self, member: Member) -> None:
        try:
            _release(member.gate)
        except RuntimeError:
            # It is open already: two have given the order up at once.
            return

    def _park(self, me: Member) -> None:
        """Stand at the gate until it is the caller's turn, or whoever has the turn keeps it for too long."""
        handed = self._handed
        while not _acquire(me.gate, True, self._patience):  # noqa: FBT003 - a lock takes it by position
            stuck = self._handed == handed and not self._idle and (me.deadline is not None or me.ready())
            if self.ended or stuck:
                self.end("one of them ran on without ever waiting for the others")
                return
            handed = self._handed

    def _after_fork(self) -> None:
        """Begin anew in a forked child, which has none of its parent's other threads."""
        self._members, self._order = {}, []
        self._by_thread, self._strangers = WeakKeyDictionary(), WeakSet()
