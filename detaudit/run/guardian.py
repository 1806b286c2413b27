"""Start one program, and see to it that it and all that it starts end: when asked to, or with the audit.

Started as `python -S -s -P guardian.py CONTROL STATUS`, with the numbers of two pipes. On CONTROL comes
what to start, then, if at all, how many seconds its end may take; when the audit's process ends, for
whatever reason, the pipe ends too. On STATUS go `started PID` or `failed ERRNO`, then `ended CODE`.

What holds where. On Linux, processes whose parent has ended become children of this one (a "child
subreaper"), so that all are found, also those that left the group and the session of the program, and the
program gets SIGKILL when this process does (a "parent death signal"). Elsewhere, and where Linux refuses
that, the process group of the program is all that is ended.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

PATIENCE_SECONDS = 3.0
"""The time that processes may take to end after they were asked to, in seconds, before they are killed."""

_ORPHAN_PATIENCE_SECONDS = 2.0
"""The same time if nobody waits for an answer any more."""

_AFTERMATH_SECONDS = 1.0
_KILL_SECONDS = 5.0
_WATCH_SECONDS = 0.5
_POLL_SECONDS = 0.02

_PARENT_DEATH_SIGNAL = 1
_CHILD_SUBREAPER = 36


class Guardian:
    """Watches over one program."""

    def __init__(self, control: int, status: int, order: dict[str, object]) -> None:
        self._control = control
        self._status = status
        self._audit = order["audit"]
        self._adopts = _has_proc() and _prctl(_CHILD_SUBREAPER)
        self._woken = _woken_by_children()
        self._program = self._start(order)
        self._running = True

    def watch(self) -> None:
        """Wait for the program's end, or for a reason to bring it about; then leave nothing behind."""
        patience = self._until_ended()
        if patience is None and not self._gone(_AFTERMATH_SECONDS):
            # What a program that ended by itself leaves running got a moment: multiprocessing's resource
            # tracker tidies up shared memory behind the program.
            patience = PATIENCE_SECONDS
        if patience is None:
            return
        self._signal(signal.SIGTERM)
        if self._gone(patience):
            return
        end = time.monotonic() + _KILL_SECONDS
        while time.monotonic() < end:
            # Again and again, and all stopped first: they may start others faster than they are found.
            self._signal(signal.SIGSTOP)
            self._signal(signal.SIGKILL)
            if self._gone(_POLL_SECONDS):
                return

    def _until_ended(self) -> float | None:
        """Wait; None if the program ended by itself, else how long its end may take."""
        while self._running:
            ready, _, _ = select.select([self._control, self._woken], [], [], _WATCH_SECONDS)
            if self._woken in ready:
                os.read(self._woken, 4096)
            self._reap()
            asked = os.read(self._control, 64) if self._control in ready else None
            if self._is_alone() or asked == b"":
                return _ORPHAN_PATIENCE_SECONDS
            if asked:
                return float(asked)
        return None

    def _is_alone(self) -> bool:
        """Say whether the audit is gone. A process that it forked may hold the pipe open for longer."""
        return os.getppid() != self._audit

    def _gone(self, patience: float) -> bool:
        """Wait until no process is left, for `patience` seconds at most, and say whether that is so."""
        start = time.monotonic()
        while True:
            self._reap()
            if not self._is_left():
                return True
            if self._is_alone():
                patience = min(patience, _ORPHAN_PATIENCE_SECONDS)
            if time.monotonic() - start >= patience:
                return False
            time.sleep(_POLL_SECONDS)

    def _reap(self) -> None:
        """Take note of children that have ended: the program, and orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._program:
                self._running = False
                self._tell(f"ended {os.waitstatus_to_exitcode(status)}")

    def _is_left(self) -> bool:
        if self._adopts:
            return self._running or any(True for _ in _descendants(os.getpid()))
        try:
            os.killpg(self._program, 0)
        except OSError as error:
            return error.errno == errno.EPERM
        return True

    def _signal(self, number: int) -> None:
        """Send a signal to all that is left."""
        if not self._adopts:
            _send(os.killpg, self._program, number)
            return
        for pid in _descendants(os.getpid()):
            _send(os.kill, pid, number)

    def _tell(self, text: str) -> None:
        try:
            os.write(self._status, f"{text}\n".encode())
        except BrokenPipeError:
            # There is no audit any more.
            return

    def _start(self, order: dict[str, object]) -> int:
        """Start the program as the audit itself would. Ends this process if that cannot be."""
        problem, tells_problem = os.pipe()
        guardian, pid = os.getpid(), os.fork()
        if not pid:
            _become(order, guardian, tells_problem)
        os.close(tells_problem)
        failed = os.read(problem, 16)
        os.close(problem)
        if failed:
            self._tell(f"failed {failed.decode()}")
            os._exit(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Those are for the audit, which says then what is to be done here.
            signal.signal(number, signal.SIG_IGN)
        self._tell(f"started {pid}")
        return pid


def _become(order: dict[str, object], guardian: int, tells_problem: int) -> None:
    """Turn into the program, in a session of its own; nothing of the guardian is left then."""
    try:
        os.setsid()
        _prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != guardian:
            os._exit(1)
        for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
            # Python ignores them in itself, and what is started would inherit that.
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        if order["folder"]:
            os.chdir(order["folder"])  # type: ignore[arg-type]  # a path in bytes
        command = order["command"]
        os.execvpe(command[0], command, order["environment"])  # type: ignore[index, arg-type]  # bytes  # noqa: S606 - no shell is meant
    except OSError as error:
        os.write(tells_problem, str(error.errno).encode())
    finally:
        os._exit(1)


def _prctl(what: int, value: int = 1) -> bool:
    """Ask Linux for something about this process; say whether it is granted."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(what, ctypes.c_ulong(value), 0, 0, 0) == 0)


def _has_proc() -> bool:
    return os.path.exists("/proc/self/stat")


def _woken_by_children() -> int:
    """Make a pipe that becomes readable when a child ends."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _descendants(pid: int) -> Iterator[int]:
    """List the running processes that a process has started, with those that they started in turn."""
    children: dict[int, list[tuple[int, bool]]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    text = file.read()
            except OSError:
                continue
            # Behind the name of the program, which may hold anything.
            state, parent = text[text.rindex(b")") + 2 :].split(b" ", 2)[:2]
            children.setdefault(int(parent), []).append((int(name), state in b"ZX"))
    waiting = [pid]
    while waiting:
        for child, has_ended in children.get(waiting.pop(), []):
            waiting.append(child)
            if not has_ended:
                yield child


def _send(kill: object, pid: int, number: int) -> None:
    try:
        kill(pid, number)  # type: ignore[operator]
    except (ProcessLookupError, PermissionError):
        # It has ended meanwhile, or is another user's.
        return


def main(control: int, status: int) -> None:
    """Do what the audit asks for."""
    for pipe in (control, status):
        os.set_inheritable(pipe, False)  # noqa: FBT003 - it takes no names
    with open(control, "rb", closefd=False) as file:
        try:
            order = marshal.load(file)  # noqa: S302 - from the process that started this one
        except EOFError:
            return
    Guardian(control, status, order).watch()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    # Nothing is to be tidied up, and an interpreter that is asked to go on after its program must not.
    os._exit(0)
