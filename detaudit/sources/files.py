"""The file system's order of names, and the times of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

from xxhash import xxh3_64_intdigest

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.observation import naming
from detaudit.sources.source import Perturbation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "file-order"
_READS = Fact(Act.READS)
REVERSED, SHUFFLED = "reversed", "shuffled"
TIMES_AND_NUMBERS = (
    "os.path.getmtime",
    "os.path.getctime",
    "os.path.getatime",
    "os.stat",
    "os.lstat",
    "os.DirEntry.inode",
)
"""Functions that tell more about a file than its name."""
TIME = 1_600_000_000
"""The time of all files while it is held."""
BETWEEN = frozenset({"__main__", "pathlib", "pathlib._local", "pathlib._abc"})
"""Modules of Python's library through which a program asks for the times of a file."""
DELETING = frozenset({"rmtree", "_rmtree_safe_fd", "_rmtree_safe_fd_step", "_rmtree_unsafe"})
"""Functions of `shutil` that list folders."""


def _tap(taps: Taps) -> None:
    through = Asked.PROGRAM_THROUGH_STANDARD
    taps.function(os, "listdir", _names(taps), asked_by=through)
    taps.method(os.DirEntry, "inode", _number(taps))
    taps.function(os, "scandir", _entries(taps), asked_by=through)
    for name in ("getmtime", "getctime", "getatime"):
        taps.function(os.path, name, _time(taps, f"os.path.{name}"), asked_by=through)
    for name in ("stat", "lstat"):
        # Asked all the time by what loads modules and resolves paths: who asks is looked at within.
        taps.function(os, name, _status(taps, f"os.{name}"))


def _names(taps: Taps) -> Any:
    def read(original: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if _to_delete():
            return list(original(*args, **kwargs))
        value = _perturbed(taps, list(original(*args, **kwargs)), str)
        if taps.holds(NAME, taps.lines.here()):
            value.sort()
        taps.note(NAME, "os.listdir", value, Fact(Act.LISTS_FOLDER, about=_folder(args)))
        return value

    return read


def _entries(taps: Taps) -> Any:
    def read(original: Any, *args: Any, **kwargs: Any) -> Any:
        if _to_delete():
            return original(*args, **kwargs)
        with original(*args, **kwargs) as found:
            entries = _perturbed(taps, list(found), lambda entry: str(entry.name))
        if taps.holds(NAME, taps.lines.here()):
            entries.sort(key=lambda entry: entry.name)
        listed = Fact(Act.LISTS_FOLDER, about=_folder(args))
        taps.note(NAME, "os.scandir", [entry.name for entry in entries], listed)
        return _Entries(entries)

    return read


def _perturbed(taps: Taps, items: list[Any], name: Callable[[Any], str]) -> list[Any]:
    """Give a listing in another order if the run perturbs the order of files."""
    match taps.perturbation_of(NAME):
        case "reversed":
            return items[::-1]
        case "shuffled":
            # By a hash of the name: Python's generators are the program's own.
            return sorted(
                items, key=lambda item: xxh3_64_intdigest(name(item).encode("utf-8", "surrogateescape"))
            )
    return items


class _Entries:
    """The result of os.scandir: an iterator that can be closed."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries: Iterator[Any] = iter(entries)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was not asked for."""
        self._entries = iter(())


def _number(taps: Taps) -> Any:
    def read(original: Any, entry: Any) -> int:
        value = int(original(entry))
        value = _number_of(entry.name) if taps.holds(NAME, taps.lines.here()) else value
        taps.note(NAME, "os.DirEntry.inode", value, _READS)
        return value

    return read


def _number_of(name: str | bytes) -> int:
    """Compute a number for a file from its name: equal in every run."""
    return xxh3_64_intdigest(os.path.basename(os.fsencode(name))) >> 1


def _time(taps: Taps, operation: str) -> Any:
    def read(original: Any, path: Any) -> float:
        value = original(path)
        value = float(TIME) if taps.holds(NAME, taps.lines.here()) else value
        taps.note(NAME, operation, value, _READS)
        return float(value)

    return read


def _status(taps: Taps, operation: str) -> Any:
    def read(original: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        status: os.stat_result = original(*args, **kwargs)
        if isinstance(args[0], int) or not _for_its_times():
            return status
        if not taps.lines.asked_by_program(sys._getframe(3), through_standard=True):
            return status
        if taps.holds(NAME, taps.lines.here()):
            status = _held(status, args[0] if isinstance(args[0], str | bytes) else os.fspath(args[0]))
        taps.note(NAME, operation, (status.st_mtime_ns, status.st_ino), _READS)
        return status

    return read


def _folder(args: Any) -> str:
    """Name the folder that is listed."""
    where = args[0] if args else "."
    return os.path.abspath(where) if isinstance(where, str | os.PathLike) else ""


def _for_its_times() -> bool:
    """Say whether the caller is the program, and not a part of Python's library that handles files."""
    frame = _asker()
    name = "" if frame is None else str(frame.f_globals.get("__name__"))
    return name in BETWEEN or name.partition(".")[0] not in sys.stdlib_module_names


def _to_delete() -> bool:
    """Say whether a folder is listed only to delete what is in it, as temporary folders do."""
    frame = _asker()
    return (
        frame is not None and frame.f_code.co_name in DELETING and frame.f_globals.get("__name__") == "shutil"
    )


def _asker() -> FrameType | None:
    """Find the innermost frame that is not detaudit's."""
    frame = sys._getframe(1).f_back
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("detaudit."):
        frame = frame.f_back
    return frame


def _held(status: os.stat_result, path: str | bytes) -> os.stat_result:
    values = list(status[:10])
    values[1] = _number_of(path)
    values[7:10] = [TIME] * 3
    names = ("st_atime", "st_mtime", "st_ctime")
    times: dict[str, Any] = {name: float(TIME) for name in names}
    times |= {f"{name}_ns": TIME * 1_000_000_000 for name in names}
    for name in ("st_blksize", "st_blocks", "st_rdev"):
        times[name] = getattr(status, name)
    return os.stat_result(values, times)


SOURCE = Source(
    name=NAME,
    words="the order of files in folders, and their times",
    causes=(Cause.FS_ORDER,),
    tap=_tap,
    suspicion=Suspicion(72),
    name_fault=naming(
        Cause.FS_ORDER,
        "{entry.operation} gives an order, or times, that differ in each run",
        dict.fromkeys(TIMES_AND_NUMBERS, "sort by name, not by the time or the number of a file"),
    ),
    asked_through=(NAME,),
    held_by_line=True,
    covers="order of files in folders",
    perturbed_by=(
        Perturbation(REVERSED, "files listed in reverse order"),
        Perturbation(SHUFFLED, "files listed in an arbitrary order"),
    ),
)
