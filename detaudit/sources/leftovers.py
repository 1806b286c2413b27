"""Files that an earlier run left, and that a later one picks up."""

from __future__ import annotations

import os
import stat
from typing import Any

from detaudit.sources.source import Source
from detaudit.sources.taps import Asked, Taps

NAME = "leftovers"
READS = "open to read"
WRITES = "open to write"
WRITING = frozenset("wax+")


def _tap(taps: Taps) -> None:
    import builtins
    import io

    for owner in (builtins, io):
        taps.function(
            owner, "open", _opened(taps), asked_by=Asked.PROGRAM_THROUGH_STANDARD, calls_program=True
        )
    for name in ("exists", "isfile", "isdir"):
        taps.function(os.path, name, _asked(taps, f"os.path.{name}"), asked_by=Asked.PROGRAM)
    taps.when_imported("torch.serialization", lambda module: _tap_torch(taps, module))


def _opened(taps: Taps) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
        _note(taps, file, WRITES if WRITING & set(mode) else READS)
        return original(file, mode, *args, **kwargs)

    return read


def _asked(taps: Taps, operation: str) -> Any:  # noqa: ANN401 - a handler
    def read(original: Any, path: Any) -> bool:  # noqa: ANN401 - as the function
        value = bool(original(path))
        if isinstance(path, str | os.PathLike):
            taps.note(NAME, operation, (os.path.abspath(path), value), subject=os.path.abspath(path))
        return value

    return read


def _note(taps: Taps, file: Any, operation: str) -> None:  # noqa: ANN401 - whatever open takes
    if not isinstance(file, str | os.PathLike):
        return
    path = os.path.abspath(os.fspath(file))
    if isinstance(path, str) and _is_data(path):
        taps.note(NAME, operation, path, subject=path)


def _is_data(path: str) -> bool:
    """Whether a file can be something that a run left: no device, no code."""
    if path.endswith((".py", ".pyc", ".so")) or path.startswith(("/proc/", "/sys/", "/dev/")):
        return False
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        # A file that is about to be made.
        return True


def _tap_torch(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    # These write and read through torch's own C++ code, where `open` is not seen.
    def saved(original: Any, obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
        _note(taps, f, WRITES)
        return original(obj, f, *args, **kwargs)

    def loaded(original: Any, f: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the function
        _note(taps, f, READS)
        return original(f, *args, **kwargs)

    taps.function(module, "save", saved, asked_by=Asked.PROGRAM_THROUGH_STANDARD, calls_program=True)
    taps.function(module, "load", loaded, asked_by=Asked.PROGRAM_THROUGH_STANDARD, calls_program=True)


SOURCE = Source(
    name=NAME,
    words="files that an earlier run left",
    causes=("cached-state",),
    tap=_tap,
)
