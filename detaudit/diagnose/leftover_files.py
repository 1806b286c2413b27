"""Files that runs of an audit left and that later runs pick up: found, and put back before each run of a trial."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from detaudit.compare.ledgers import EntryPair
from detaudit.sources import leftovers


def picked_up(pairs: Iterable[EntryPair], since: float) -> frozenset[str]:
    """Paths that a run asked for before it wrote them itself, and that an earlier run of the audit has written.

    `since`: when the audit began, in seconds since the epoch.
    """
    first_use: dict[str, str] = {}
    for pair in sorted(pairs, key=lambda one: (one.entry.step, one.entry.sequence)):
        entry = pair.entry
        if entry.source == leftovers.NAME:
            first_use.setdefault(entry.subject, entry.operation)
    asked = (path for path, operation in first_use.items() if operation != leftovers.WRITES)
    return frozenset(path for path in asked if _written_since(Path(path), since))


def _written_since(path: Path, since: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime >= since
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class SameFiles:
    """Keeps some files in one state for every run of a trial."""

    copies: dict[Path, Path]
    """Each file, and the copy of it as it is now."""
    absent: frozenset[Path]
    """Files that did not exist before the audit: for a trial they are not there."""

    def reset(self) -> None:
        """Bring the files into the state that every run is to find."""
        for path, copy in self.copies.items():
            if path in self.absent:
                path.unlink(missing_ok=True)
            else:
                shutil.copy2(copy, path)

    def restore(self) -> None:
        """Bring the files back as they were before the trial."""
        for path, copy in self.copies.items():
            shutil.copy2(copy, path)


@contextlib.contextmanager
def same_files(paths: Iterable[str], since: float, folder: Path) -> Iterator[SameFiles]:
    """Keep copies in `folder` while trials are made, and put everything back at the end, whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = {}
    for number, path in enumerate(sorted(paths)):
        copies[Path(path)] = folder / f"{number}"
        shutil.copy2(path, copies[Path(path)])
    files = SameFiles(copies, frozenset(path for path in copies if _born_since(path, since)))
    try:
        yield files
    finally:
        files.restore()


def _born_since(path: Path, since: float) -> bool:
    """Whether a file was made during the audit; where the file system does not say, it counts as older."""
    try:
        told = subprocess.run(["stat", "-c", "%W", str(path)], capture_output=True, text=True, check=False)  # noqa: S607 - Python's own stat lacks the time of birth on Linux
    except OSError:
        return False
    # Whole seconds: a file that is born in the second in which the audit begins counts as older.
    return told.stdout.strip().isdigit() and int(told.stdout) > 0 and int(told.stdout) + 1 > since
