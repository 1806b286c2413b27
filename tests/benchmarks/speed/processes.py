"""Commands in fresh processes: how long one takes and how much memory, on which cores."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DETAUDIT = (sys.executable, "-m", "detaudit")
PROGRAMS = Path(__file__).parent / "programs"
WITHOUT_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Where this is set, every fresh process compiles all sources again, which no user's does."""


class CommandFailedError(RuntimeError):
    """A command that is measured ended with another status than it should: its figure would mean nothing."""


@dataclass(frozen=True)
class Ended:
    """A command that ended as it should."""

    seconds: float
    output: str
    progress: str = ""
    """What it printed on standard error."""
    processor: float = 0.0
    """Seconds of processor time, of all processes that it started: what others do meanwhile is not in it."""


def timed(command: Sequence[str], status: int = 0) -> Ended:
    """Run a command and wait for its end. Raises CommandFailedError for another exit status than `status`."""
    start, used = time.perf_counter(), _processor_seconds()
    done = subprocess.run(
        command, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != status:
        told = (done.stderr.strip() or done.stdout.strip() or "nothing printed")[-2000:]
        raise CommandFailedError(f"{' '.join(command)} ended with status {done.returncode}:\n{told}")
    return Ended(seconds, done.stdout, done.stderr, _processor_seconds() - used)


def timed_with_memory(command: Sequence[str], status: int = 0) -> tuple[Ended, float]:
    """The same, and the greatest resident memory of the command's process, in MiB."""
    measured = timed([sys.executable, str(Path(__file__)), *command], status)
    *output, peak = measured.output.splitlines()
    seconds, most = map(float, peak.split())
    return Ended(seconds, "\n".join(output)), most


def _processor_seconds() -> float:
    """Processor time of all processes that this one started and that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def environment() -> dict[str, str]:
    """The environment of a user: Python keeps what it compiled."""
    return {name: value for name, value in os.environ.items() if name != WITHOUT_BYTECODE}


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """Stay on one core, with all processes that are started in the block."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _main(command: Sequence[str]) -> int:
    """Run a command as the only child of this process; the last line printed is its time and memory."""
    start = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - start
    kibibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(seconds, kibibytes / 1024)
    return status


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
