"""A commit in a folder of its own, for a while: a linked work tree, its submodules, what git ignores.

The user's work tree, index, branches and configuration stay as they are, and the network is not used.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from detaudit.errors import GitError, UsageError
from detaudit.reference.git import SHORT, asked, git

_SUBMODULE = "160000"
"""The mode of a submodule in a commit."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit that is checked out in a folder of its own."""

    repository: Path
    """Top folder of the user's work tree."""
    commit: str
    root: Path
    """Top folder of the commit's work tree."""
    empty: tuple[str, ...] = ()
    """Submodules of the commit that are not there, because the user's work tree does not have them either."""

    def counterpart(self, path: Path) -> Path:
        """Give the place in the commit's work tree for a `path` in the user's work tree."""
        return self.root / path.relative_to(self.repository)


@contextmanager
def checked_out(repository: Path, commit: str, place: Path, links: Sequence[Path] = ()) -> Iterator[Checkout]:
    """Check a commit out in a folder below `place`; whatever happens, git knows nothing of it at the end.

    `links` are paths within the repository; what is there in the user's work tree is linked into the
    commit's. Raises GitError.
    """
    own = Path(tempfile.mkdtemp(prefix="commit-", dir=place)).resolve()
    with ExitStack() as stack:
        # Under the same name: programs name their output after the folder that they are in.
        root = own / (repository.name or "repository")
        stack.enter_context(_worktree(repository, commit, root))
        empty = tuple(_fill_submodules(stack, repository, commit, root))
        for path in links:
            _link(repository / path, root / path, commit)
        yield Checkout(repository, commit, root, empty)


@contextmanager
def bare_worktree(repository: Path, commit: str, place: Path) -> Iterator[Path]:
    """Make a work tree without any file at a commit: a place for git's notes, removed at the end."""
    root = place.resolve() / "notes"
    with _worktree(repository, commit, root, "--no-checkout"):
        yield root


@contextmanager
def _worktree(repository: Path, commit: str, root: Path, *options: str) -> Iterator[None]:
    try:
        # Without the user's hooks, which may do anything on a checkout.
        quiet = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
        git(repository, *quiet, "worktree", "add", "--detach", *options, str(root), commit)
        yield
    finally:
        remove(repository, root)


def remove(repository: Path, root: Path) -> None:
    """Remove a linked work tree, if git knows it."""
    if root in worktrees(repository):
        # Twice: also one that was left locked, because it was still being made.
        git(repository, "worktree", "remove", "--force", "--force", str(root), untouched=True)


def worktrees(repository: Path) -> list[Path]:
    """List the top folders of all work trees that git knows."""
    listed = git(repository, "worktree", "list", "--porcelain", untouched=True).splitlines()
    return [Path(line.removeprefix("worktree ")) for line in listed if line.startswith("worktree ")]


def _fill_submodules(stack: ExitStack, repository: Path, commit: str, root: Path) -> Iterator[str]:
    """Check out the submodules from the user's own clones of them; the paths of those that have none."""
    for path, recorded in _submodules(repository, commit):
        clone = repository / path
        if not (clone / ".git").exists():
            yield path
            continue
        if asked(clone, "rev-parse", "--verify", "--quiet", f"{recorded}^{{commit}}") is None:
            raise GitError(
                "submodule-commit-missing",
                f"the submodule {path} lacks its commit {recorded[:SHORT]}, which {commit[:SHORT]} needs",
                f"`git -C {path} fetch` brings it",
            )
        stack.enter_context(_worktree(clone, recorded, root / path))
        yield from (f"{path}/{inner}" for inner in _fill_submodules(stack, clone, recorded, root / path))


def _submodules(repository: Path, commit: str) -> Iterator[tuple[str, str]]:
    for line in git(repository, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
        described, _, path = line.partition("\t")
        if described.startswith(_SUBMODULE):
            yield path, described.split()[2]


def links_of(repository: Path, folder: Path, text: str | None) -> tuple[Path, ...]:
    """Read the value of `--link` as paths within the repository; the names are as seen from `folder`.

    Raises UsageError for what is not there, or not for `--link` to give.
    """
    names = [] if text is None else [name.strip() for name in text.split(",")]
    return tuple(_checked(repository, folder, name) for name in names if name)


def _checked(repository: Path, folder: Path, name: str) -> Path:
    path = Path(os.path.normpath(folder / name))
    if not path.exists():
        raise UsageError(
            "link-missing", f"--link: there is no {path}", "name files or folders of the work tree"
        )
    if not path.is_relative_to(repository) or path == repository:
        raise UsageError(
            "link-outside",
            f"--link: {path} is not within the repository {repository}",
            "the other commit finds files outside the repository as well, by their full path",
        )
    if git(repository, "ls-files", "-z", "--", str(path)):
        raise UsageError(
            "link-tracked",
            f"--link: {name} is tracked by git, so the other commit has its own",
            "name only what git ignores",
        )
    return path.relative_to(repository)


def _link(ours: Path, theirs: Path, commit: str) -> None:
    if theirs.exists() or theirs.is_symlink():
        raise GitError(
            "link-in-the-way",
            f"--link: the commit {commit[:SHORT]} has its own {ours.name}",
            "leave it out of --link, or compare with a commit at which git ignores it",
        )
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.symlink_to(ours)
