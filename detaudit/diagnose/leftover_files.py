"""Find files that runs of an audit left and later runs read; put them back before each run of a trial."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detaudit.model.ledger import Act, EntryPair

OF_FILES = frozenset({Act.LISTS_FOLDER, Act.LOOKS_FOR_FILE, Act.OPENS_TO_READ, Act.OPENS_TO_WRITE})


def picked_up(pairs: Iterable[EntryPair], since: float) -> frozenset[str]:
    """Paths that a run asks for before it writes them itself, and that an earlier run has written.

    `since`: when the audit began, in seconds since the epoch.
    """
    first_use: dict[str, Act] = {}
    for pair in sorted(pairs, key=lambda one: (one.entry.step, one.entry.sequence)):
        entry = pair.entry
        if entry.act in OF_FILES and entry.fact.about:
            first_use.setdefault(entry.fact.about, entry.act)
    asked = (path for path, act in first_use.items() if act is not Act.OPENS_TO_WRITE)
    return frozenset(path for path in asked if _written_since(Path(path), since))


def _written_since(path: Path, since: float) -> bool:
    try:
        return path.exists() and path.stat().st_mtime >= since
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class SameFiles:
    """Keeps some files in one state for every run of a trial."""

    copies: dict[Path, Path]
    """Each file, and the copy of it as it is now."""
    absent: frozenset[Path]
    """Files that did not exist before the audit: a trial starts without them."""

    def reset(self) -> None:
        """Bring the files into the state that every run is to find."""
        for path, copy in self.copies.items():
            if path in self.absent:
                _remove(path)
            else:
                _copy(copy, path)

    def restore(self) -> None:
        """Bring the files back as they were before the trial."""
        for path, copy in self.copies.items():
            _copy(copy, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    _remove(target)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _expanded(paths: Iterable[str], since: float) -> Iterator[Path]:
    """Files as they are; of folders, what came into them during the audit."""
    for path in sorted(paths):
        if not Path(path).is_dir():
            yield Path(path)
            continue
        yield from (child for child in sorted(Path(path).iterdir()) if _born_since(child, since))


@contextlib.contextmanager
def same_files(paths: Iterable[str], since: float, folder: Path) -> Iterator[SameFiles]:
    """Keep copies in `folder` while trials are made, and put everything back at the end, whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    copies: dict[Path, Path] = {}
    for number, path in enumerate(_expanded(paths, since)):
        copies[path] = folder / f"{number}"
        _copy(path, copies[path])
    state = SameFiles(copies, frozenset(path for path in copies if _born_since(path, since)))
    try:
        yield state
    finally:
        state.restore()


def _born_since(path: Path, since: float) -> bool:
    """Whether a file was made during the audit; where the file system does not say, it counts as older."""
    try:
        told = subprocess.run(["stat", "-c", "%W", str(path)], capture_output=True, text=True, check=False)  # noqa: S607 - Python's own stat lacks the time of birth on Linux
    except OSError:
        return False
    # Whole seconds: a file that is born in the second in which the audit begins counts as older.
    return told.stdout.strip().isdigit() and int(told.stdout) > 0 and int(told.stdout) + 1 > since
