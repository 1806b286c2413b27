"""Name files for a report that is read elsewhere: below the repository's root, with forward slashes."""

from __future__ import annotations

from pathlib import Path


def root() -> Path:
    """Find the repository that contains the current folder; if there is none, give the current folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def below_root(file: str) -> str | None:
    """Give the path from the root to a file; None if the file is elsewhere, or is no file (`<string>`)."""
    if file.startswith("<"):
        return None
    top, path = root(), Path(file).absolute()
    for folder, inside in ((top, path), (top.resolve(), path.resolve())):
        if inside.is_relative_to(folder):
            return inside.relative_to(folder).as_posix()
    return None
