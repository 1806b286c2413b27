"""Report the progress of a run. The command line shows the reports; the library is silent."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what happens, from the thread that called."""

    def run_started(self, run: str, total: int, level: str) -> None:
        """Run `run` (counted from 1, as text) of `total` began, recorded at `level`."""

    def run_stepped(self, run: str, steps: int, seconds: float) -> None:
        """Run `run` has completed `steps` steps after `seconds` of wall time."""

    def run_ended(self, run: str, steps: int, seconds: float) -> None:
        """Run `run` ended."""

    def note(self, text: str) -> None:
        """Something to say in one line (what happens next, and why)."""


class Silence:
    """A progress that shows nothing."""

    def run_started(self, run: str, total: int, level: str) -> None:
        """Show nothing."""

    def run_stepped(self, run: str, steps: int, seconds: float) -> None:
        """Show nothing."""

    def run_ended(self, run: str, steps: int, seconds: float) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""
