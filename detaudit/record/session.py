"""Describe one recording, as the launching process hands it to the audited one, and where its traces go.

Handed over in a JSON file that the environment names; light enough to be read before the user's program.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.model.codec import from_plain, to_plain
from detaudit.model.plan import Capture, Exchange, Intervention
from detaudit.model.trace import Level

if TYPE_CHECKING:
    from detaudit.trace.writer import TraceWriter

_SPAWNED = "--multiprocessing-fork"
"""An argument of processes that `multiprocessing` spawns: they go on with the program of their parent."""

SESSION_FILE = "session.json"
MAIN_TRACE = "main.trace"
PROBLEM_FILE = "problem.txt"


@dataclass(frozen=True)
class Session:
    """How to record one run."""

    folder: str
    level: Level
    target: str
    conditions: dict[str, object]
    steps: int | None
    window: tuple[int, int] | None
    is_main: bool
    held: tuple[Intervention, ...] = ()
    perturbed: tuple[Intervention, ...] = ()
    capture: Capture | None = None
    sketches: bool = False
    """Whether sketches of the values are recorded beside their digests."""
    axes: tuple[tuple[str, str], ...] = ()
    """Settings that are made within the process before the program uses torch."""
    values: Exchange | None = None
    draws: Exchange | None = None
    on_request: bool = False
    """Whether recording waits until the program itself asks for it."""
    program: str | None = None
    """The folder of an installed package whose code is the program, where this process runs the program."""
    forks: int = 0
    """Number of forks between the process that started this program and this process."""

    def trace_path(self) -> Path:
        """Return the path to which this process writes its trace."""
        if self.is_main:
            return Path(self.folder) / MAIN_TRACE
        return Path(self.folder) / f"{time.time_ns():020d}-{os.getpid()}.part"

    def header(self) -> dict[str, object]:
        """Return the facts that the trace states about itself from the start."""
        from detaudit.digest.algorithm import ALGORITHM
        from detaudit.model.version import VERSION

        return {
            "detaudit": VERSION,
            "digest": ALGORITHM,
            "level": self.level.value,
            "target": self.target,
            "conditions": self.conditions,
            "started": time.time(),
            "finished": False,
        }

    def for_child(self) -> Session:
        """Return the session of a forked child."""
        return replace(self, is_main=False, forks=self.forks + 1)

    def process_name(self) -> str:
        """Return the name of this process, which is the same in every run."""
        multiprocessing = sys.modules.get("multiprocessing.process")
        if self.is_main:
            return "main"
        if multiprocessing is not None and multiprocessing.parent_process() is not None:
            return str(multiprocessing.current_process().name)
        return f"fork {self.forks}" if self.forks else f"python {os.path.basename(sys.argv[0])}"

    def leave_to_parent(self, writer: TraceWriter | None) -> None:
        """Keep the parent's trace open for ever: closing its file here would disturb the parent."""
        # A reference that nothing gives back outlives even the end of the interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(writer))

    def leave_problem(self, text: str) -> None:
        """Leave a note for the launching process where the trace itself cannot hold it."""
        try:
            with open(os.path.join(self.folder, PROBLEM_FILE), "a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError:
            # The disk is full, most likely. An unfinished trace tells the launcher enough.
            return


def problems_in(folder: Path) -> list[str]:
    """Return the notes that processes of a run left in its folder."""
    file = folder / PROBLEM_FILE
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def save_session(session: Session, path: Path) -> None:
    """Write the session file for the processes of a run. Raises OSError where it cannot be written."""
    path.write_text(json.dumps(to_plain(session)), encoding="utf-8")


def load_session(path: str, *, is_main: bool) -> Session:
    """Read the session file for a process that is the audited program itself, or one that it started."""
    with open(path, encoding="utf-8") as file:
        session = from_plain(Session, json.load(file), "session")
    runs_program = is_main or _SPAWNED in sys.orig_argv
    return replace(session, is_main=is_main, program=session.program if runs_program else None)
