"""Runs one command in a fresh, empty folder, and keeps what came out of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.programs import Program

TIMED_OUT = 124


@dataclass(frozen=True)
class Outcome:
    """What one command left: its status, what it printed, and how long it took."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


def run_command(
    command: Sequence[str], extra: Mapping[str, str] | None = None, limit: float = 900
) -> Outcome:
    """Run a command in an empty folder of its own; past `limit` seconds it is ended."""
    # A hash seed that is set here would hide the programs whose fault is that it is not set.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment | dict(extra or {}),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcome(TIMED_OUT, "", f"no end after {limit:.0f} s", limit)
    return Outcome(done.returncode, done.stdout, done.stderr, time.perf_counter() - start)


def plain_command(program: Program) -> list[str]:
    """Return the command that runs a program without detaudit."""
    return [sys.executable, str(program.path.resolve()), *program.arguments]


def detaudit_command(verb: str, program: Program, *options: str) -> list[str]:
    """Return the command that gives a program to a verb of detaudit."""
    command = [sys.executable, "-m", "detaudit", verb, str(program.path.resolve()), *options]
    return [*command, "--", *program.arguments] if program.arguments else command
