"""Programs that start others in every way there is, and whether any of these is still there."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MEMBERS = 5
"""The program itself, and what it spawns, forks, sends into the background, and starts with nothing known."""

MODULE = '''
import multiprocessing
import os
import signal
import subprocess
import sys
import time

LIVES = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "a") as file:
    # A run may be told another number than its own.
    file.write(os.readlink("/proc/self") + "\\\\n")
time.sleep(100)
os._exit(0)
"""


def live():
    sys.argv[1:] = [os.environ["MEMBERS"]]
    exec(LIVES)


def start():
    multiprocessing.get_context("spawn").Process(target=live).start()
    if not os.fork():
        live()
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        live()
    alone = [sys.executable, "-c", LIVES, os.environ["MEMBERS"]]
    subprocess.Popen(alone, start_new_session=True, env={})
'''
"""A module `family`. Its processes ignore SIGTERM; each writes its number into the file MEMBERS."""

PROGRAM = """
import family

if __name__ == "__main__":
    family.start()
    family.live()
"""


class Family:
    """The processes of a program that uses the module."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "members.txt"
        (folder / "family.py").write_text(MODULE)
        self.environment = {**os.environ, "MEMBERS": str(self._file), "PYTHONPATH": str(folder)}

    def pids(self) -> list[int]:
        """All that have begun, whether or not they are still there."""
        return [int(line) for line in self._file.read_text().split()] if self._file.exists() else []

    def wait_until_complete(self, seconds: float = 100) -> None:
        end = time.monotonic() + seconds
        while len(self.pids()) < MEMBERS:
            assert time.monotonic() < end, f"only {self.pids()} began"
            time.sleep(0.05)
        assert len(self.alive()) == MEMBERS

    def alive(self) -> list[int]:
        return [pid for pid in self.pids() if is_alive(pid)]

    def left_after(self, seconds: float) -> list[int]:
        """What is still there after some seconds at most."""
        end = time.monotonic() + seconds
        while (left := self.alive()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def end(self) -> None:
        for pid in self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in b"ZX"
