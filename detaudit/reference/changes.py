"""List what changed in a repository since a commit: the lines to look at where numbers have changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from detaudit.errors import GitError
from detaudit.reference.git import asked, git

MOST = 10
"""The most places that are named; further places are only counted."""

PATTERNS = tuple(
    f":(top){pattern}"
    for pattern in ("*.py", "*.toml", "*.yaml", "*.yml", "*.cfg", "*.ini", "*.json", "*requirements*.txt")
)
"""Patterns for the files of programs and of their configuration."""

# By itself, `git diff` renews the index where a file has another date and the same content.
_PLAIN = ("-c", "core.quotePath=false", "-c", "diff.autoRefreshIndex=false")
_DIFF = (
    "-U0",
    "--no-color",
    "--no-ext-diff",
    "--no-renames",
    "--no-relative",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
"""Options that make git's output independent of the user's configuration."""

_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@")


def changed_lines(repository: Path, since: str) -> tuple[str, ...]:
    """Name the lines that differ between a commit and the work tree, as `file:first-last`.

    What is not committed counts, new files too. Raises GitError if git cannot tell.
    """
    diff = git(repository, *_PLAIN, "diff", *_DIFF, since, "--", *PATTERNS)
    new = git(repository, "ls-files", "-z", "--others", "--exclude-standard", "--full-name", "--", *PATTERNS)
    places = [*_places(diff), *(f"{file} (new)" for file in new.split("\0") if file)]
    # A name that is not UTF-8 comes with half characters, which no report could write.
    places = [place.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for place in places]
    left = len(places) - MOST
    return (*places[:MOST], f"and {left} more") if left > 0 else tuple(places)


def last_commit(file: Path) -> str | None:
    """Find the last commit that changed a file; None if git knows none, or the file has changed since."""
    folder, name = file.absolute().parent, file.name
    try:
        if asked(folder, "status", "--porcelain", "--", name) != "":
            return None
        return asked(folder, "log", "-1", "--format=%H", "--", name) or None
    except GitError:
        # Where there is no git at all, nothing is known either: whoever asks can do without.
        return None


def is_shallow(file: Path) -> bool:
    """Say whether the clone that contains a file is shallow: whether older commits are missing in it."""
    return asked(file.absolute().parent, "rev-parse", "--is-shallow-repository") == "true"


def _places(diff: str) -> Iterator[str]:
    """List the places, in the work tree, that a diff without context lines names."""
    before = after = ""
    in_header = False
    for line in diff.split("\n"):
        hunk = _HUNK.match(line)
        if line.startswith("diff --git "):
            in_header = True
        elif in_header and line.startswith("--- "):
            before = _file(line)
        elif in_header and line.startswith("+++ "):
            after = _file(line)
            if after == "/dev/null":
                yield f"{before} (removed)"
        elif hunk and after != "/dev/null":
            in_header = False
            yield f"{after}:{_span(int(hunk[1]), int(hunk[2] or 1))}"


def _file(line: str) -> str:
    name = line[4:].rstrip("\t")
    # git puts unusual names into quotes.
    name = name[1:-1] if name.startswith('"') else name
    return name if name == "/dev/null" else name[2:]


def _span(first: int, count: int) -> str:
    # Nothing is left of lines that were only removed: the one before them stands for the place.
    return str(max(first, 1)) if count <= 1 else f"{first}-{first + count - 1}"
