"""Runs of audited programs in processes that are forked from one that has torch loaded already.

A search makes ten runs and more, and loading torch takes up most of the time of each. What is forked is a
process of its own as any other, with the environment, the arguments and the output of a fresh one; but what
an interpreter or a library settles once, when it is loaded, is the same in all: the hash seed, addresses,
numpy's unseeded generator, the number of threads, the instruction set, whether torch.compile does anything.
Along such axes, only fresh processes say anything.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

STARTS_RUNS = "detaudit.run.launch.start"
"""What is replaced for a test whose runs are to be forked."""


class Origin:
    """The process that has torch loaded, and from which one run after the other is forked."""

    def __init__(self) -> None:
        # Whatever the environment of the test that is the first to need it; and without a GPU, which could be
        # used in no forked process once it was touched here.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        self._one_by_one = threading.Lock()
        """Held while a run is under way: another one waits, also where an audit lets them go side by side."""
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
        )

    def in_place_of_subprocess(self) -> Callable:
        """What starts a run in the place of a subprocess."""
        return self.fork

    def fork(self, command, *, folder, environment, stdout, stderr):
        """Start a run as `detaudit.run.guard.start` does."""
        order = {
            "command": command[1:],
            "folder": str(folder or Path.cwd()),
            "environment": environment,
            "output": [stdout.name, stderr.name],
        }
        self._one_by_one.acquire()
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return Forked(self._process.stdout, self._one_by_one.release)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class Forked:
    """One run, with what a `detaudit.run.guard.Guarded` offers."""

    def __init__(self, answers, on_end) -> None:
        self._answers, self._on_end = answers, on_end
        self.pid = int(answers.readline())
        self.returncode = None

    def wait(self, seconds=None):
        if self.returncode is None and select.select([self._answers], [], [], seconds)[0]:
            self.returncode = int(self._answers.readline())
            self._on_end()
        return self.returncode is not None

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


def serve() -> dict | None:
    """Fork for each order, one after the other; returns in the child, with its order."""
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            return json.loads(line)
        # Before anybody knows of it, so that it can be ended with all that it starts.
        os.setpgid(child, child)
        os.write(1, b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        os.write(1, b"%d\n" % os.waitstatus_to_exitcode(status))
    return None


def become(order: dict) -> None:
    """Be the process that a fresh interpreter would be that was started with this command."""
    from detaudit.run.bootstrap import prepare

    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(order["output"], 1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    sys.argv[:] = order["command"]
    sys.path[0] = str(Path(sys.argv[0]).absolute().parent)
    status = run_main(Path(sys.argv[0]), prepare)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking torch apart again takes as long as a run.
    os._exit(status)


def run_main(program: Path, prepare: Callable[[], None]) -> int:
    """Run a script as Python does, with what `sitecustomize` does first; the exit status."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__ = str(program)
    try:
        prepare()
        exec(compile(program.read_text(), program, "exec"), main.__dict__)  # noqa: S102 - a test's own program
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException:  # noqa: BLE001 - as Python itself does
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    # What audited programs load, and what records them.
    import torch._dynamo  # noqa: F401 - to have it loaded, as those below

    import detaudit.record.install
    import detaudit.run.inside
    import detaudit.sources.catalogue
    import detaudit.targets.driven  # noqa: F401

    order = serve()
    if order is not None:
        become(order)
