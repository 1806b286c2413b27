"""Write report files: they are checked before the work, opened after it, and never left half written."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from detaudit.errors import OutputError, UsageError

STANDARD_OUTPUT = "-"
ELSEWHERE = "choose another file, or - for standard output"


def check_destinations(destinations: list[str | None]) -> None:
    """Raise before any work is done if an output could not be written after it."""
    given = [destination for destination in destinations if destination is not None]
    if given.count(STANDARD_OUTPUT) > 1:
        hint = "give a file for all but one of them"
        raise UsageError("output-twice", "more than one report goes to standard output", hint)
    files = [Path(destination) for destination in given if destination != STANDARD_OUTPUT]
    for number, path in enumerate(files):
        check_file(path)
        if path.resolve() in {other.resolve() for other in files[:number]} and not _is_special(path):
            raise UsageError("output-twice", f"more than one report goes to {path}", "give each its own file")


def check_file(path: Path) -> None:
    """Raise OutputError if the file could not be written."""
    folder = path.absolute().parent
    if path.is_dir():
        raise OutputError("output-unwritable", f"{path} is a folder", ELSEWHERE)
    if not folder.is_dir():
        raise OutputError(
            "output-unwritable", f"there is no folder {folder}", f"create it first, or {ELSEWHERE}"
        )
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise OutputError("output-unwritable", f"{path} cannot be written: permission denied", ELSEWHERE)


def check_folder(path: Path) -> None:
    """Raise OutputError if no files could be written to a folder, which need not be there yet."""
    nearest = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not nearest.is_dir():
        raise OutputError("output-unwritable", f"{nearest} is not a folder", "name another folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        message = f"{path} cannot be written to: permission denied"
        raise OutputError("output-unwritable", message, "name another folder")


def write(text: str, destination: str) -> None:
    """Write text to a file, which is replaced as a whole, or to standard output for `-`.

    Raises OutputError if that fails; a file that was there before is then as it was.
    """
    if destination == STANDARD_OUTPUT:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return
    path = Path(destination)
    check_file(path)
    try:
        if _is_special(path):
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path, text)
    except OSError as error:
        message = f"{path} could not be written: {error.strerror or error}"
        raise OutputError("output-unwritable", message, ELSEWHERE) from error


def _is_special(path: Path) -> bool:
    """Say whether a path is a pipe or a device, which cannot be replaced."""
    return path.exists() and not path.is_file()


def _replace(path: Path, text: str) -> None:
    """Write beside the file, then put that in its place. A link's target is replaced, not the link."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # A temporary file is private; the result is an ordinary file.
        Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_mask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
