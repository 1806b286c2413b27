"""A process of a launch that is recorded from outside, and the local folder in which it keeps its traces.

SQLite relies on locks, and its write-ahead log on shared memory, which network file systems do not have or
not reliably (https://www.sqlite.org/wal.html, https://www.sqlite.org/howtocorrupt.html). So each process
writes to a temporary folder of its own machine, and what it leaves goes on at its end: a rank's trace to the
folder of the launch, that of a loader worker or another helper to the process that has started it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from detaudit.model.codec import from_plain, to_plain
from detaudit.model.trace import Level
from detaudit.options import AUTO, BY_NAME, checked, parse
from detaudit.record.session import MAIN_TRACE, PROBLEM_FILE, SESSION_FILE, Session, save_session
from detaudit.run import variable_names
from detaudit.run.gather import complete, note
from detaudit.run.trace_folder import launch_names, meeting_place, publish
from detaudit.trace.merge import settle
from detaudit.trace.reader import TraceReader

_MEMBER = "member.json"
_CHILD = "child-"


@dataclass(frozen=True)
class Member:
    """One process, with what it forks."""

    folder: str
    """Its local folder."""
    target: str
    """The folder that traces go to."""
    process: int
    name: str
    parent: str
    """The local folder of the recorded process that has started it; empty for the first one of a launch."""
    rank: int | None
    """The number that its launcher has given to it, and to no process above it."""
    below_rank: bool
    """Whether a process above it has such a number."""
    started: float
    launch: tuple[str, ...]
    """The names of its launch."""

    def leave(self, status: int | None) -> None:
        """Hand on what this process has recorded, and what children left that did not come so far.

        `status` is None where nobody saw its end. Raises OSError, sqlite3.Error, TraceError or RunError.
        """
        try:
            for note_ in sorted(Path(self.folder).glob(f"{_CHILD}*")):
                child = Path(note_.read_text(encoding="utf-8"))
                if child.is_dir() and not _lives(int(note_.name.removeprefix(_CHILD))):
                    read_member(child).leave(None)
            self._hand_on(status)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _hand_on(self, status: int | None) -> None:
        folder = Path(self.folder)
        own = self._own_trace(folder)
        rank = self.rank if own is None else _rank_in(own, self.rank)
        if rank is None and self.parent and Path(self.parent).is_dir():
            self._give_to_parent(folder)
            return
        trace = folder / MAIN_TRACE
        if own is not None:
            own.replace(trace)
        seconds = None if status is None else time.time() - self.started
        if not complete(folder, trace, status, seconds):
            return
        # Where the ranks meet, the program itself may have said.
        note(trace, {"launch": [*dict.fromkeys((*self.launch, *meeting_place(os.environ)))]})
        with TraceReader(trace) as reader:
            # Launchers use torch, and do nothing with it.
            is_empty = not reader.event_count and not reader.info.problems
        if rank is not None or not is_empty:
            publish(trace, Path(self.target), self._stem(rank))

    def _own_trace(self, folder: Path) -> Path | None:
        pattern = f"*-{self.process}.part" if self.parent else MAIN_TRACE
        own = next(folder.glob(pattern), None)
        if own is not None:
            settle(own)
        return own

    def _stem(self, rank: int | None) -> str:
        if rank is not None:
            return f"rank-{rank:05d}"
        return f"process-{self.name}" if self.parent else "main"

    def _give_to_parent(self, folder: Path) -> None:
        parent = Path(self.parent)
        for part in sorted(folder.glob("*.part")):
            settle(part)
            part.replace(parent / part.name)
        problems = folder / PROBLEM_FILE
        if problems.exists():
            with (parent / PROBLEM_FILE).open("a", encoding="utf-8") as file:
                file.write(problems.read_text(encoding="utf-8"))


def join() -> tuple[Member, Session]:
    """Make a folder for this process, and announce it to the process that has started it.

    Raises OSError where no folder can be made, and UsageError for a level that does not exist.
    """
    level, above = _level(), _parent()
    folder = tempfile.mkdtemp(prefix="detaudit-")
    session = Session(folder, level, _program(), _conditions(level), None, None, is_main=above is None)
    save_session(session, Path(folder, SESSION_FILE))
    below = above is not None and (above.rank is not None or above.below_rank)
    member = Member(
        folder=folder,
        target=os.path.abspath(os.environ[variable_names.RECORD]),
        process=os.getpid(),
        name=_safe(session.process_name()),
        parent="" if above is None else above.folder,
        rank=None if below else _given_rank(),
        below_rank=below,
        started=time.time(),
        launch=(*launch_names(os.environ), *meeting_place(os.environ)),
    )
    Path(folder, _MEMBER).write_text(json.dumps(to_plain(member)), encoding="utf-8")
    if above is not None:
        Path(above.folder, f"{_CHILD}{os.getpid()}").write_text(folder, encoding="utf-8")
    os.environ[variable_names.PARENT] = folder
    return member, session


def read_member(folder: Path) -> Member:
    """Read what a process has left word of. Raises OSError or ValueError if it did not come so far."""
    return from_plain(Member, json.loads((folder / _MEMBER).read_text(encoding="utf-8")), _MEMBER)


def _parent() -> Member | None:
    """Return the recorded process that has started this one, if that is on this machine and still there."""
    try:
        return read_member(Path(os.environ[variable_names.PARENT]))
    except (KeyError, OSError, ValueError):
        return None


def _level() -> Level:
    option = BY_NAME["level"]
    text = os.environ.get(option.variable) or AUTO
    level = str(checked(option, parse(option, text, option.variable), option.variable))
    return Level.LAYER if level == AUTO else Level(level)


def _program() -> str:
    """Name the program as it was started, without the folder, which may be another one on another machine."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return f"-m {spec.name}" if spec is not None else os.path.basename(sys.argv[0]) or "python"


def _conditions(level: Level) -> dict[str, object]:
    return {
        "level": level.value,
        "arguments": sys.argv[1:],
        "hash_seed": os.environ.get("PYTHONHASHSEED") or "random",
        "working_directory": os.getcwd(),
    }


def _given_rank() -> int | None:
    number, world = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    return int(number) if number.isdecimal() and world.isdecimal() and int(world) > 1 else None


def _rank_in(trace: Path, given: int | None) -> int | None:
    """Return the rank that a process had in its distributed training, or else the one that it was given."""
    with TraceReader(trace) as reader:
        ranks = [rank.number for rank in reader.info.ranks]
        # A process that was killed has its name only.
        names = [stream.process.removeprefix("rank ") for stream in reader.streams]
    ranks += [int(name) for name in names if name.isdecimal()]
    return ranks[0] if ranks else given


def _safe(name: str) -> str:
    """Make a name that a file can have."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def _lives(process: int) -> bool:
    """Say whether a process is still there; the remains that nobody has asked for are not."""
    try:
        os.kill(process, 0)
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return True
