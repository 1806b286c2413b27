"""The folder in which an audit keeps its runs: made for it, and gone after it unless it is to be kept."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from detaudit.errors import OutputError


@contextlib.contextmanager
def workspace(keep: Path | None) -> Iterator[Path]:
    """Give a folder for traces and output; a temporary one is removed at the end, whatever happens.

    Raises OutputError if `keep` cannot be made, or holds something already.
    """
    if keep is not None:
        yield _kept(keep)
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix="detaudit-"))
    except OSError as error:
        raise OutputError(
            "folder-not-writable",
            f"no temporary folder can be made: {error.strerror}",
            "free some space, set TMPDIR, or name a folder with --keep",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kept(keep: Path) -> Path:
    try:
        keep.mkdir(parents=True, exist_ok=True)
        occupied = any(keep.iterdir())
    except OSError as error:
        raise OutputError(
            "folder-not-writable", f"cannot use {keep}: {error.strerror}", "name another folder with --keep"
        ) from error
    if occupied:
        raise OutputError("keep-not-empty", f"{keep} is not empty", "name a new folder with --keep")
    return keep
