"""The clock: the time of day, and durations."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Any

from detaudit.sources.source import Source
from detaudit.sources.taps import Asked, Taps

NAME = "clock"
EPOCH = 1_600_000_000.0
"""When the held clock starts: 13 September 2020."""
TICK = 0.001
"""Seconds by which the held clock goes on at each reading, if the run does not say."""
NANOSECONDS = 1_000_000_000
STARTS = {"time": EPOCH, "monotonic": 1000.0, "perf_counter": 1000.0, "process_time": 1.0, "thread_time": 1.0}
"""Functions of `time`, each with a twin that ends in `_ns`, and where they start when held."""
CALENDAR = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
"""Functions of `time` that tell the time of day unless they are given one, and which argument that is."""


class _Clock:
    """A clock that goes on by a fixed amount at each reading: for each thread on its own, with its sleeps."""

    def __init__(self, tick: float, speed: float = 1.0) -> None:
        self._tick = tick * speed
        self._local = threading.local()

    def read(self) -> float:
        """Seconds since the start."""
        self.go_on(self._tick)
        return float(self._local.seconds)

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self._local.seconds = getattr(self._local, "seconds", 0.0) + seconds


def _tap(taps: Taps) -> None:
    clock = _Clock(taps.amount(NAME, TICK))
    for name, start in STARTS.items():
        taps.function(time, name, _seconds(taps, clock, name, start), asked_by=Asked.PROGRAM)
        taps.function(time, f"{name}_ns", _nanoseconds(taps, clock, name, start), asked_by=Asked.PROGRAM)
    for name, position in CALENDAR.items():
        taps.function(time, name, _calendar(taps, clock, name, position), asked_by=Asked.PROGRAM)
    taps.function(time, "sleep", _sleep(taps, clock))
    for name in ("now", "utcnow", "today"):
        taps.method(datetime.datetime, name, _moment(taps, clock, name), asked_by=Asked.PROGRAM)
    taps.method(datetime.date, "today", _day(taps, clock), asked_by=Asked.PROGRAM)


def _seconds(taps: Taps, clock: _Clock, name: str, start: float) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any) -> float:  # noqa: ANN401 - as the function
        value = start + clock.read() if taps.holds(NAME) else original()
        taps.note(NAME, f"time.{name}", value)
        return float(value)

    return read


def _nanoseconds(taps: Taps, clock: _Clock, name: str, start: float) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any) -> int:  # noqa: ANN401 - as the function
        value = int((start + clock.read()) * NANOSECONDS) if taps.holds(NAME) else original()
        taps.note(NAME, f"time.{name}_ns", value)
        return int(value)

    return read


def _calendar(taps: Taps, clock: _Clock, name: str, position: int) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, *args: Any) -> Any:  # noqa: ANN401 - as the function
        if len(args) > position:
            return original(*args)
        if taps.holds(NAME):
            moment: Any = EPOCH + clock.read()
            args = (*args, moment if name in {"localtime", "gmtime", "ctime"} else time.gmtime(moment))
        value = original(*args)
        taps.note(NAME, f"time.{name}", value)
        return value

    return read


def _sleep(taps: Taps, clock: _Clock) -> Any:  # noqa: ANN401 - a handler
    def sleep(original: Any, seconds: float) -> None:  # noqa: ANN401 - as the function
        original(seconds)
        if taps.holds(NAME):
            clock.go_on(seconds)

    return sleep


def _moment(taps: Taps, clock: _Clock, name: str) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, tz: Any = None) -> datetime.datetime:  # noqa: ANN401 - as the method
        if taps.holds(NAME):
            zone = datetime.UTC if tz is None else tz
            value = datetime.datetime.fromtimestamp(EPOCH + clock.read(), zone)
            value = value.replace(tzinfo=None) if tz is None else value
        else:
            value = original() if tz is None else original(tz)
        taps.note(NAME, f"datetime.{name}", value)
        return value

    return read


def _day(taps: Taps, clock: _Clock) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any) -> datetime.date:  # noqa: ANN401 - as the method
        value = original()
        if taps.holds(NAME):
            value = datetime.datetime.fromtimestamp(EPOCH + clock.read(), datetime.UTC).date()
        taps.note(NAME, "date.today", value)
        return value  # type: ignore[no-any-return]  # the original gives a date

    return read


SOURCE = Source(
    name=NAME,
    words="the clock",
    causes=("wall-clock", "rng-drift"),
    tap=_tap,
)
