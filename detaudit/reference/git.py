"""Ask git about a repository, and explain its refusals to the user."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from detaudit.errors import GitError

LOCAL = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
)
"""Variables that git sets for a hook. Left in place, they would lead each call to the hook's repository."""

SHORT = 10
"""Digits of a hash that are shown."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, as a reader knows it."""

    hash: str
    author: str
    date: str
    subject: str


def git(folder: Path, *arguments: str, untouched: bool = False) -> str:
    """Run git in a folder and return what it says.

    `untouched` keeps Ctrl-C from it, for what must not be left half done. Raises GitError if git is missing
    or refuses.
    """
    try:
        ended = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the git that the user runs
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=untouched,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitError(
            "git-missing", "git cannot be run", "install it, or put it on PATH; commits are compared with it"
        ) from error
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        message = f"git {arguments[0]} failed: {said[-1] if said else f'exit code {ended.returncode}'}"
        raise GitError("git-failed", message, "\n  ".join(said[:-1]))
    return ended.stdout.decode("utf-8", "surrogateescape")


def environment() -> dict[str, str]:
    """Our environment, in which git goes by the folder alone, asks nothing, and leaves the index as it is."""
    kept = {name: value for name, value in os.environ.items() if name not in LOCAL}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def asked(folder: Path, *arguments: str) -> str | None:
    """Give the one line that git answers; None if git refuses."""
    try:
        return git(folder, *arguments).strip()
    except GitError as error:
        if error.slug != "git-failed":
            raise
        return None


def repository_of(folder: Path) -> Path:
    """Find the top folder of the work tree that contains a folder. Raises GitError if there is none."""
    if asked(folder, "rev-parse", "--is-bare-repository") == "true":
        raise GitError(
            "repository-bare",
            f"{folder} is in a bare repository, which has no work tree to run",
            "clone it, and run detaudit in the clone",
        )
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    except GitError as error:
        if error.slug != "git-failed":
            raise
        raise GitError(
            "not-a-repository",
            f"{folder} is in no work tree of a git repository ({error.message.partition(': ')[2]})",
            "run detaudit in the folder of the repository, as you run the target",
        ) from error


def resolve(repository: Path, reference: str) -> str:
    """Find the full hash of the commit that a reference names. Raises GitError if there is no such commit."""
    found = asked(
        repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"
    )
    if found is not None:
        return found
    if asked(repository, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise GitError(
            "no-commit", f"the repository {repository} has no commit yet", "commit the target first"
        )
    hint = "`git log --oneline --all` lists commits, `git branch --all` branches"
    if asked(repository, "rev-parse", "--is-shallow-repository") == "true":
        hint = (
            "this clone is shallow: `git fetch --unshallow` (or fetch-depth: 0 in a workflow) brings the rest"
        )
    elif asked(repository, "rev-parse", "--verify", "--quiet", f"origin/{reference}^{{commit}}"):
        hint = f"did you mean origin/{reference}?"
    raise GitError("reference-missing", f"no commit is named {reference!r} in {repository}", hint)


def commit_of(repository: Path, commit: str) -> Commit:
    """Read the author, date and subject of a commit."""
    text = git(repository, "log", "-1", "--format=%H%n%an <%ae>%n%as%n%s", commit)
    return Commit(*text.split("\n")[:4])
