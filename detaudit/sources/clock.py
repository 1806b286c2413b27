"""The clock: the time of day, and durations."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry
from detaudit.model.result import DivergenceKind
from detaudit.sources.decisions import deciding_line
from detaudit.sources.observation import ChangeSeen, Naming, Observation, by_library, drawn_more
from detaudit.sources.seeds import for_other_seed, name_new_seed
from detaudit.sources.source import Pace, Perturbation, Situation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "clock"
_READS, _READS_LOCAL = Fact(Act.READS), Fact(Act.READS_LOCAL_TIME)
EPOCH = 1_600_000_000.0
"""The time at which the held clock starts: 13 September 2020."""
TICK = 0.001
"""Seconds by which the held clock advances at each reading, unless the run sets another amount."""
NANOSECONDS = 1_000_000_000
STARTS = {"time": EPOCH, "monotonic": 1000.0, "perf_counter": 1000.0, "process_time": 1.0, "thread_time": 1.0}
"""Functions of `time`, each with a twin that ends in `_ns`, and the time at which they start when held."""
CALENDAR = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
"""Functions of `time` that use the time of day unless they get a time, with the position of that argument."""


FORWARD, FAST = "400 days", "10 times as fast"
OF_DAY = frozenset({"time"})
"""Functions of `time` that tell the time of day."""

_time, _clocks = time.time, {name: getattr(time, name) for name in STARTS}


class ClockChange:
    """The times that a perturbed clock shows in the place of the true time."""

    def __init__(self, amount: str) -> None:
        self._shift = 400 * 86_400.0 if amount == FORWARD else 0.0
        self._speed = 10.0 if amount == FAST else 1.0
        self._begun = {name: float(read()) for name, read in _clocks.items()}

    def seconds(self, name: str, value: float) -> float:
        """Change what a function of `time` gives."""
        if self._speed != 1.0:
            value = self._begun[name] + (value - self._begun[name]) * self._speed
        return value + self._shift if name in OF_DAY else value

    def moment(self) -> float:
        """Give the changed time of day."""
        return self.seconds("time", _time())


def _change(taps: Taps) -> ClockChange | None:
    amount = taps.perturbation_of(NAME)
    return None if amount is None else ClockChange(amount)


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
        taps.method(dt.datetime, name, _moment(taps, clock, name), asked_by=Asked.PROGRAM)
    taps.method(dt.date, "today", _day(taps, clock), asked_by=Asked.PROGRAM)


def _seconds(taps: Taps, clock: _Clock, name: str, start: float) -> Any:
    change = _change(taps)

    def read(original: Any) -> float:
        value = start + clock.read() if taps.holds(NAME) else original()
        value = value if change is None else change.seconds(name, value)
        taps.note(NAME, f"time.{name}", value, _READS)
        return float(value)

    return read


def _nanoseconds(taps: Taps, clock: _Clock, name: str, start: float) -> Any:
    change = _change(taps)

    def read(original: Any) -> int:
        value = int((start + clock.read()) * NANOSECONDS) if taps.holds(NAME) else original()
        value = value if change is None else int(change.seconds(name, value / NANOSECONDS) * NANOSECONDS)
        taps.note(NAME, f"time.{name}_ns", value, _READS)
        return int(value)

    return read


def _calendar(taps: Taps, clock: _Clock, name: str, position: int) -> Any:
    change = _change(taps)

    def read(original: Any, *args: Any) -> Any:
        if len(args) > position:
            return original(*args)
        if taps.holds(NAME):
            moment = EPOCH + clock.read()
            args = (*args, moment if name in {"localtime", "gmtime", "ctime"} else time.gmtime(moment))
        elif change is not None:
            moment = change.moment()
            args = (*args, moment if name in {"localtime", "gmtime", "ctime"} else time.localtime(moment))
        value = original(*args)
        taps.note(NAME, f"time.{name}", value, _READS if name == "gmtime" else _READS_LOCAL)
        return value

    return read


def _sleep(taps: Taps, clock: _Clock) -> Any:
    def sleep(original: Any, seconds: float) -> None:
        original(seconds)
        if taps.holds(NAME):
            clock.go_on(seconds)

    return sleep


def _moment(taps: Taps, clock: _Clock, name: str) -> Any:
    change = _change(taps)

    def read(original: Any, tz: Any = None) -> dt.datetime:
        if taps.holds(NAME):
            zone = dt.UTC if tz is None else tz
            value = dt.datetime.fromtimestamp(EPOCH + clock.read(), zone)
            value = value.replace(tzinfo=None) if tz is None else value
        elif change is not None:
            zone = dt.UTC if name == "utcnow" else tz
            value = dt.datetime.fromtimestamp(change.moment(), zone)
            value = value.replace(tzinfo=None) if tz is None else value
        else:
            value = original() if tz is None else original(tz)
        taps.note(NAME, f"datetime.{name}", value, _READS if name == "utcnow" else _READS_LOCAL)
        return value

    return read


def _day(taps: Taps, clock: _Clock) -> Any:
    change = _change(taps)

    def read(original: Any) -> dt.date:
        value = original()
        if taps.holds(NAME):
            value = dt.datetime.fromtimestamp(EPOCH + clock.read(), dt.UTC).date()
        elif change is not None:
            value = dt.datetime.fromtimestamp(change.moment()).date()  # noqa: DTZ006 - as date.today does
        taps.note(NAME, "date.today", value, _READS_LOCAL)
        return value  # type: ignore[no-any-return]  # the original gives a date

    return read


SHORTEST_TICK, LONGEST_TICK = 1e-5, 1.0
SLOWER = 30
"""The factor by which the held clock is slowed down where a program sees its time run out."""
OTHER_COURSE = 42
"""Score bonus where one run takes another course than the other."""


def _adjust(pairs: list[EntryPair], situation: Situation) -> float:
    score = for_other_seed(pairs, situation)
    return score + OTHER_COURSE if situation.divergence.kind is DivergenceKind.STRUCTURE else score


def _tick_of(pace: Pace) -> str:
    """Give the seconds between two readings of the clock, on average: the held clock goes at this pace.

    The ledgers may end behind the first steps: the readings of a whole run are more in proportion.
    """
    readings = sum(pair.entry.count for pair in pace.pairs if pair.entry.source == NAME)
    noted = max((pair.entry.step for pair in pace.pairs), default=0) + 1
    expected = max(1.0, readings * max(1.0, pace.steps / noted))
    return repr(max(SHORTEST_TICK, min(LONGEST_TICK, pace.shortest / 2 / expected)))


def _slower(tick: str) -> str:
    return repr(float(tick or TICK) / SLOWER)


def _name(seen: Observation) -> Naming:
    """Name what the clock does: it gives a seed, or it decides something."""
    return name_new_seed(seen, Cause.WALL_CLOCK, "the clock") or _name_decision(seen)


def _name_decision(seen: Observation) -> Naming:
    reads = sorted(seen.entries, key=lambda entry: entry.position)
    drift = seen.drifting()
    reached = [pair.entry.site for pair in drift if pair.entry.site is not None]
    first = seen.comparison.first
    if first is not None and first.event.site is not None:
        reached.append(first.event.site)
    direct = [entry for entry in reads if entry.site is not None and not by_library(entry)]
    site = deciding_line((one.site for one in direct or reads if one.site is not None), reached)
    entry = next((one for one in reversed(reads) if one.site == site), None)
    symbol = None if entry is None else entry.operation
    words = f"{symbol or 'the clock'} decides something that reaches the numbers"
    if drift:
        words = f"{words}; as a consequence (rng-drift), {drawn_more(drift[0])}"
    others = tuple(dict.fromkeys(one for one in reached if one != site))
    return Naming(Cause.WALL_CLOCK, site, symbol, words, others if drift else ())


def _name_change(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    reads = [pair.entry for pair in seen.pairs if pair.entry.source == NAME and pair.entry.site is not None]
    first = seen.divergence
    reached = [first.event.site] if first is not None and first.event.site is not None else []
    site = deciding_line((entry.site for entry in reads if entry.site is not None), reached)
    return seen.cause, next((entry for entry in reads if entry.site == site), None)


SOURCE = Source(
    name=NAME,
    words="the clock",
    causes=(Cause.WALL_CLOCK, Cause.RNG_DRIFT),
    tap=_tap,
    suspicion=Suspicion(40, adjust=_adjust),
    name_fault=_name,
    amount=_tick_of,
    gentler=_slower,
    asked_through=(NAME,),
    name_change=_name_change,
    perturbed_by=(
        Perturbation(FORWARD, "the clock 400 days ahead"),
        Perturbation(FAST, "a clock that runs 10 times as fast"),
    ),
)
