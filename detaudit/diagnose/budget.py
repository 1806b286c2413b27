"""Count what the search for a cause may cost, and decide how many of its runs go side by side.

As many go side by side as the machine carries. Two runs at a time that write the same file would read what
the other wrote, so runs go side by side only where the first ones left no file in the folders that programs
usually write to.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from detaudit.options import BUDGET

_SECONDS = "s"

T = TypeVar("T")

IDLE_SHARE = 0.25
"""The share of a core that a run may use beyond a whole number of cores before it counts as one core more."""
CROWDING = 1.5
"""Runs for each free core: they wait for the disk, and for each other, some of the time."""
MEMORY_SHARE = 0.5
"""The share of the free memory that runs at the same time may use."""
MOST = 8
MOST_FILES = 20_000
"""The most files that are examined; if there are more, some file may have been written."""
PASSED_OVER = frozenset({"__pycache__", ".git", ".pytest_cache", ".ruff_cache", ".mypy_cache"})


@dataclass(slots=True)
class Budget:
    """What may be spent beyond the first runs, and what has been spent."""

    text: str = BUDGET
    """The text of the option: `32` runs, or `300s`."""
    runs: int = field(default=0, init=False)
    """Further runs so far."""
    started: float = field(default_factory=time.monotonic, init=False)

    @property
    def runs_left(self) -> int | None:
        """Further runs that may still be made; None where seconds are counted."""
        return None if self._in_seconds else max(0, int(self.text) - self.runs)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that may still pass; None where runs are counted."""
        if not self._in_seconds:
            return None
        return max(0.0, float(self.text.removesuffix(_SECONDS)) - (time.monotonic() - self.started))

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left for even a pair of runs."""
        runs, seconds = self.runs_left, self.seconds_left
        return (runs is not None and runs < 2) or (seconds is not None and seconds <= 0)  # noqa: PLR2004 - a pair

    def in_words(self) -> str:
        """Say what was spent, and of what."""
        return f"{self.runs} further runs (--budget {self.text})"

    def left_in_words(self, seconds_per_run: float, side_by_side: int) -> str:
        """Say what is left, and about how long that may take."""
        runs = self.runs_left
        seconds = self.seconds_left
        if runs is None:
            return f"at most {_duration(seconds or 0.0)} more"
        about = _duration(runs * seconds_per_run / side_by_side)
        return f"at most {runs} more runs, {about}"

    @property
    def _in_seconds(self) -> bool:
        return self.text.endswith(_SECONDS)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - two digits


@dataclass(frozen=True, slots=True)
class Load:
    """What one run asks of the machine."""

    cores: float
    """The average number of cores that the run keeps busy."""
    memory: int
    """The most bytes of memory that any process started by this one has used."""
    seconds: float

    def side_by_side(self) -> int:
        """Say how many such runs the machine carries at a time."""
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        busy = max(1, int(self.cores + 1 - IDLE_SHARE))
        by_cores = int(available / busy * CROWDING) if available > busy else 1
        by_memory = int(_free_memory() * MEMORY_SHARE / max(1, self.memory))
        return max(1, min(by_cores, by_memory, MOST))


def measured(work: Callable[[], T]) -> tuple[T, Load]:
    """Do something that starts runs, one at a time, and say what they asked of the machine all in all."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = work()
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, Load(used / max(seconds, 1e-3), after.ru_maxrss * 1024, seconds)


def wrote_files(script: Path | None, since: float, own: Path) -> bool:
    """Whether a file was written where programs usually write, or may have been.

    Looks at the folder of the program, that of the script, and the top of the one for temporary files.
    `since`: seconds since the epoch. `own` is the folder of the audit itself, which does not count.
    """
    folders = dict.fromkeys([Path.cwd(), *(() if script is None else (script.absolute().parent,))])
    places = [(str(folder), None) for folder in folders]
    times = _times_of_files([*places, (tempfile.gettempdir(), 1)], str(own.absolute()))
    return any(changed >= since or number > MOST_FILES for number, changed in enumerate(times))


def _times_of_files(places: list[tuple[str, int | None]], own: str) -> Iterator[float]:
    """Give when each file below some folders was written; beside a folder stands how deep to go."""
    waiting = list(places)
    while waiting:
        folder, depth = waiting.pop()
        # Folders and files that vanish meanwhile belong to somebody who tidies up.
        with suppress(OSError), os.scandir(folder) as found:
            for entry in found:
                if entry.name in PASSED_OVER or entry.path == own:
                    continue
                with suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        yield entry.stat(follow_symlinks=False).st_mtime
                    elif depth is None or depth > 0:
                        waiting.append((entry.path, None if depth is None else depth - 1))


def _free_memory() -> int:
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 0
