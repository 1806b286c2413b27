"""From a cause and its line to a change of the user's file, where that needs no thought; never applied here.

Only what has to change does: edits go by positions in the syntax tree, and other lines, comments and line
endings stay.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

from detaudit.diagnose.patching.delivery import fix_delivery
from detaudit.diagnose.patching.hashes import fix_hash_order
from detaudit.diagnose.patching.library import fix_library
from detaudit.diagnose.patching.listings import fix_listing
from detaudit.diagnose.patching.source import Edit, Source
from detaudit.diagnose.patching.unseeded import fix_order, fix_unseeded
from detaudit.diagnose.patching.workers import fix_worker_seeds
from detaudit.model.cause import Cause

Fix = Callable[[Source, str, int, str | None], list[Edit] | None]

_FIXES: dict[str, Fix] = {
    Cause.UNSEEDED_PYTHON: fix_unseeded,
    Cause.UNSEEDED_NUMPY: fix_unseeded,
    Cause.UNSEEDED_TORCH: fix_unseeded,
    Cause.SEED_ORDER: fix_order,
    Cause.UNSEEDED_LIBRARY: fix_library,
    Cause.FS_ORDER: fix_listing,
    Cause.HASH_ORDER: fix_hash_order,
    Cause.COMPLETION_ORDER: fix_delivery,
    Cause.WORKER_ORDER: fix_delivery,
    Cause.WORKER_SEEDING: fix_worker_seeds,
}


def propose(path: Path, cause: str, line: int, symbol: str | None) -> str | None:
    """Return what a file is to be for a cause to go away.

    Args:
        path: a Python file of the user's; it is read and left as it is.
        cause: the label of the cause.
        line: the guilty line in that file, from 1; 0 if it is in another one, and a seed may be set here.
        symbol: what is called there, by its full name, where that is known.

    Returns the file's new text, which is Python again; None where the change is not a mechanical one, or
    where the file cannot be read. That the change helps is for a run to show.
    """
    fix = _FIXES.get(cause)
    source = Source.read(path) if fix else None
    if fix is None or source is None:
        return None
    edits = fix(source, cause, line, symbol)
    return source.edited(edits) if edits else None


def diff(path: Path, new_text: str, *, root: Path | None = None) -> str:
    """Return the change of a file as a unified diff, for `git apply` or `patch -p1`.

    Args:
        path: the file as it is.
        new_text: what it is to be.
        root: the folder to apply it in, by default the current one; outside of it, the file's name alone is
            used.
    """
    folder, file = (root or Path.cwd()).resolve(), path.resolve()
    name = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
    # After a name with a space in it, both tools look for a tab.
    name += "\t" if " " in name else ""
    lines = unified_diff(_lines(path.read_bytes().decode()), _lines(new_text), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends, which for these tools are line feeds only."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [rest] if (rest := text.rpartition("\n")[2]) else []
    )
