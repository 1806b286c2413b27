"""Progress on standard error: a moving line per run on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from detaudit.run.progress import Progress

INTERVAL = 10.0
"""Seconds of a run between two plain lines about it."""


class PlainProgress:
    """One line when a run begins, one when it ends, and one every ten seconds between."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        self._total = 0

    def run_started(self, run: str, total: int, level: str) -> None:
        """Say that a run began."""
        self._total = total
        self._told[run] = 0.0
        self._say(f"run {run} of {total} started, level {level}")

    def run_stepped(self, run: str, steps: int, seconds: float) -> None:
        """Say how far a run is, if that was last said a while ago."""
        if seconds - self._told.get(run, 0.0) >= INTERVAL:
            self._told[run] = seconds
            self._say(f"run {run} of {self._total}: {_steps(steps)} in {seconds:.0f} s")

    def run_ended(self, run: str, steps: int, seconds: float) -> None:
        """Say that a run ended."""
        self._say(f"run {run} of {self._total} ended: {_steps(steps)} in {seconds:.1f} s")

    def note(self, text: str) -> None:
        """Say what happens next."""
        self._say(text)

    def _say(self, text: str) -> None:
        with self._lock:
            print(f"detaudit: {text}", file=self._file, flush=True)


class LiveProgress:
    """A line for each run that is under way, renewed in place."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def run_started(self, run: str, total: int, level: str) -> None:
        """Add a line."""
        self._tasks[run] = self._bars.add_task(f"run {run} of {total}, level {level}", total=None, steps=0)

    def run_stepped(self, run: str, steps: int, seconds: float) -> None:
        """Renew the line; its clock runs by itself."""
        del seconds
        self._bars.update(self._tasks[run], steps=steps)

    def run_ended(self, run: str, steps: int, seconds: float) -> None:
        """Stop the line's clock."""
        del seconds
        task = self._tasks[run]
        self._bars.update(task, steps=steps, total=1, completed=1)
        self._bars.stop_task(task)

    def note(self, text: str) -> None:
        """Print a line above."""
        self._bars.console.print(f"detaudit: {text}", markup=False, highlight=False)


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Progress as standard error can show it, for the time of the block."""
    if not sys.stderr.isatty():
        yield PlainProgress(sys.stderr)
        return
    # rich takes some 70 ms to import, which whoever shows no progress should not pay.
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[steps]} steps"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(file=sys.stderr), transient=True) as bars:
        yield LiveProgress(bars)


def _steps(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"
