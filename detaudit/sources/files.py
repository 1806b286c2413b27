"""The file system's order of names, and the times of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, Self

from detaudit.sources.source import Source
from detaudit.sources.taps import Asked, Taps

NAME = "file-order"
TIME = 1_600_000_000
"""The time that all files have when it is held."""
BETWEEN = frozenset({"__main__", "pathlib", "pathlib._local", "pathlib._abc"})
"""Modules of Python's library through which a program asks for the times of a file."""


def _tap(taps: Taps) -> None:
    through = Asked.PROGRAM_THROUGH_STANDARD
    taps.function(os, "listdir", _names(taps), asked_by=through)
    taps.function(os, "scandir", _entries(taps), asked_by=through)
    for name in ("getmtime", "getctime", "getatime"):
        taps.function(os.path, name, _time(taps, f"os.path.{name}"), asked_by=through)
    for name in ("stat", "lstat"):
        taps.function(os, name, _status(taps, f"os.{name}"), asked_by=through)


def _names(taps: Taps) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, *args: Any, **kwargs: Any) -> list[Any]:  # noqa: ANN401 - as the function
        value = list(original(*args, **kwargs))
        if taps.holds(NAME, taps.lines.here()):
            value.sort()
        taps.note(NAME, "os.listdir", value)
        return value

    return read


def _entries(taps: Taps) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, *args: Any, **kwargs: Any) -> _Entries:  # noqa: ANN401 - as the function
        with original(*args, **kwargs) as found:
            entries = list(found)
        if taps.holds(NAME, taps.lines.here()):
            entries.sort(key=lambda entry: entry.name)
        taps.note(NAME, "os.scandir", [entry.name for entry in entries])
        return _Entries(entries)

    return read


class _Entries:
    """What os.scandir gives: an iterator that can be closed."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries: Iterator[Any] = iter(entries)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - an os.DirEntry
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was not asked for."""
        self._entries = iter(())


def _time(taps: Taps, operation: str) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, path: Any) -> float:  # noqa: ANN401 - as the function
        value = original(path)
        value = float(TIME) if taps.holds(NAME, taps.lines.here()) else value
        taps.note(NAME, operation, value)
        return float(value)

    return read


def _status(taps: Taps, operation: str) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, *args: Any, **kwargs: Any) -> os.stat_result:  # noqa: ANN401 - as the function
        status: os.stat_result = original(*args, **kwargs)
        if not _for_its_times():
            return status
        if taps.holds(NAME, taps.lines.here()):
            status = _without_times(status)
        taps.note(NAME, operation, status.st_mtime_ns, subject="times of a file")
        return status

    return read


def _for_its_times() -> bool:
    """Whether the program may look at the times, and not a part of Python's library that handles files."""
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if not name.startswith("detaudit."):
            return name in BETWEEN or name.partition(".")[0] not in sys.stdlib_module_names
        frame = frame.f_back  # type: ignore[assignment]  # the outermost frame has none
    return False


def _without_times(status: os.stat_result) -> os.stat_result:
    values = list(status[:10])
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
    causes=("fs-order",),
    tap=_tap,
)
