"""Start a program so that nothing of it outlives the audit, and learn how it ends."""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from detaudit.errors import RunError
from detaudit.nested import within
from detaudit.run.guardian import PATIENCE_SECONDS

_GUARDIAN = Path(__file__).parent / "guardian.py"
_SLACK_SECONDS = 10.0
"""The time that a guardian may take longer than its processes, in seconds, before it counts as lost."""


class Guarded:
    """A program under way, started by a guardian that ends it and all that it started."""

    def __init__(self, guardian: subprocess.Popen[bytes], control: int, status: int) -> None:
        """Take over a guardian; `started` has already been read from the pipe `status`."""
        self._guardian = guardian
        self._control = control
        self._status = status
        self._over = False
        self._code: int | None = None

    @property
    def returncode(self) -> int:
        """The exit status of the program, or the negative number of the signal that ended it."""
        if self._code is None:
            raise ValueError("the program has not ended")
        return self._code

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the program to end, for so many seconds at most; True once it has."""
        if self._code is None and not self._over and _readable(self._status, seconds):
            self._read_code()
        return self._code is not None

    def end(self, patience: float = PATIENCE_SECONDS) -> None:
        """End the program and all that it started and is still there, politely at first.

        Also what has left its group and its session, on Linux; see `detaudit.run.guardian`.
        """
        if self._over:
            return
        if self._code is None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._control, str(patience).encode())
        try:
            self._guardian.wait(patience + _SLACK_SECONDS)
        except subprocess.TimeoutExpired:
            # It cannot end what sleeps in the kernel, and neither can we.
            self._guardian.kill()
            self._guardian.wait()
        if self._code is None:
            self._read_code()
        self._over = True
        os.close(self._control)
        os.close(self._status)

    def _read_code(self) -> None:
        word, _, number = _line(self._status).partition(" ")
        # A guardian that was killed has taken the program with it.
        self._code = int(number) if word == "ended" else self._guardian.wait() or 1


def start(
    command: Sequence[str],
    *,
    folder: Path | None,
    environment: Mapping[str, str],
    stdout: IO[bytes] | int | None,
    stderr: IO[bytes] | None,
) -> Guarded:
    """Start a program in a session of its own, without standard input.

    It ends with this process, whatever ends that; `Guarded.end` must be called all the same. Raises RunError
    if it cannot be started.
    """
    order = {
        "audit": os.getpid(),
        "command": [os.fsencode(part) for part in command],
        "folder": None if folder is None else os.fsencode(folder),
        "environment": {os.fsencode(name): os.fsencode(text) for name, text in environment.items()},
    }
    # Nobody else may hold these ends, or nobody would notice that this process is gone.
    hears, control = os.pipe()
    status, tells = os.pipe()
    with contextlib.ExitStack() as stack:
        for pipe in (control, status):
            stack.callback(os.close, pipe)
        try:
            guardian = subprocess.Popen(
                [sys.executable, "-S", "-s", "-P", str(_GUARDIAN), str(hears), str(tells)],
                env=_without_python(os.environ),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(hears, tells),
            )
            # From here on it ends by itself where this fails: its pipe does.
        except OSError as error:
            raise RunError("run-not-started", f"the run could not be started: {error}") from error
        finally:
            os.close(hears)
            os.close(tells)
        _order(guardian, control, status, order)
        stack.pop_all()
    return Guarded(guardian, control, status)


def _order(guardian: subprocess.Popen[bytes], control: int, status: int, order: dict[str, object]) -> None:
    """Say what is to be started. Raises RunError if it was not."""
    with contextlib.suppress(BrokenPipeError), open(control, "wb", closefd=False) as file:
        file.write(marshal.dumps(order))
    word, _, number = _line(status).partition(" ")
    if word == "started":
        return
    code = guardian.wait()
    problem = (
        os.strerror(int(number)) if word == "failed" else f"the process that starts it ended with {code}"
    )
    raise RunError("run-not-started", f"the run could not be started: {problem}")


def _without_python(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment so that an interpreter does nothing unusual in it, but finds its library."""
    return {
        name: text
        for name, text in environment.items()
        if not name.startswith("PYTHON") or name == "PYTHONHOME"
    }


def _line(pipe: int) -> str:
    """Read the next line from a pipe; if the pipe ends first, the part of the line that has come."""
    text = b""
    while not text.endswith(b"\n"):
        more = os.read(pipe, 1)
        if not more:
            break
        text += more
    return text.decode().strip()


def _readable(pipe: int, seconds: float | None) -> bool:
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    return bool(waiting.poll(None if seconds is None else seconds * 1000))


@dataclass(frozen=True, slots=True)
class Ended:
    """The output of a short program that has ended."""

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool


def ask(command: Sequence[str], *, seconds: float | None, folder: Path | None = None) -> Ended:
    """Run a short program that belongs to an audit, and give what it says; ended when its time is up.

    Raises RunError if it cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="detaudit-", ignore_cleanup_errors=True) as place:
        output, errors = Path(place, "stdout.txt"), Path(place, "stderr.txt")
        with output.open("wb") as stdout, errors.open("wb") as stderr:
            environment = within(os.environ, place)
            process = start(command, folder=folder, environment=environment, stdout=stdout, stderr=stderr)
            try:
                ended = process.wait(seconds)
            finally:
                process.end()
        return Ended(process.returncode, output.read_bytes(), errors.read_bytes(), not ended)
