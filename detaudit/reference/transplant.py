"""Find the target at another commit: its file, the folder that it is started in, the modules it imports."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from contextlib import chdir
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path

from detaudit.errors import GitError, RunError, TargetError
from detaudit.model.plan import RunPlan, Target, TargetRef
from detaudit.reference.git import SHORT, asked
from detaudit.reference.worktree import Checkout
from detaudit.run import guard
from detaudit.run.options import RunOptions
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader

_PROBE = """
import json, sys
places = []
for finder in sys.meta_path:
    module = sys.modules.get(getattr(finder, "__module__", ""))
    for places_of_names in (getattr(module, "MAPPING", None), getattr(finder, "_redirections", None)):
        if isinstance(places_of_names, dict):
            places += [[str(name), str(place)] for name, place in places_of_names.items()]
print(json.dumps([[path for path in sys.path if path], places]))
"""
"""The places where Python finds imports: folders, and single packages that an installation leads to."""


def plan_of(target: Target, options: RunOptions) -> RunPlan:
    """Plan one run of the target, with sketches."""
    return replace(options.plan(target), sketches=True)


def at_commit(ref: TargetRef, options: RunOptions, checkout: Checkout, folder: Path) -> RunPlan:
    """One run of the target as it is at another commit, in the folder that corresponds to `folder`.

    Raises TargetError if it is not there.
    """
    there = checkout.counterpart(folder)
    if not there.is_dir():
        raise _not_there(checkout, f"there is no folder {there.relative_to(checkout.root)}")
    imports = tuple(checkout.counterpart(one) for one in imported_in_place(checkout.repository, folder))
    target = _target(ref, checkout, folder, imports)
    return replace(plan_of(target, options), folder=there, import_first=imports)


def _target(ref: TargetRef, checkout: Checkout, folder: Path, imports: tuple[Path, ...]) -> Target:
    moved = replace(ref, text=ref.text if ref.module else _seen_from(folder, ref.text, checkout.repository))
    try:
        # A target is looked for from the current folder, and started there under the same relative name.
        with chdir(checkout.counterpart(folder)):
            target = find_target(moved)
            if target.import_name is not None:
                _refuse_ours(target.import_name, checkout, folder, imports)
    except TargetError as error:
        raise _not_there(checkout, error.message) from error
    return replace(target, name=target.name if ref.module else ref.text)


def _seen_from(folder: Path, text: str, repository: Path) -> str:
    """Give the target's path relative to the folder if it is in the repository, otherwise its full path."""
    place, colon, attribute = text.rpartition(":")
    if not place or not attribute.isidentifier():
        place, colon, attribute = text, "", ""
    whole = Path(os.path.realpath((folder / place).parent)) / Path(place).name
    if whole.is_relative_to(repository):
        return os.path.relpath(whole, folder) + colon + attribute
    return str(whole) + colon + attribute


def _refuse_ours(name: str, checkout: Checkout, folder: Path, imports: tuple[Path, ...]) -> None:
    """Raise TargetError for a module that only the user's work tree has: it would be imported from there."""
    top = name.partition(".")[0]
    theirs = (Path.cwd(), *imports)
    ours = (folder, *(checkout.repository / one.relative_to(checkout.root) for one in imports))
    if _has(top, ours) and not _has(top, theirs):
        raise TargetError("module-missing", f"no module named {top!r}")


def _has(name: str, folders: tuple[Path, ...]) -> bool:
    return PathFinder.find_spec(name, [str(folder) for folder in folders]) is not None


def _not_there(checkout: Checkout, what: str) -> TargetError:
    return TargetError(
        "target-not-at-commit",
        f"the target is not there at {checkout.commit[:SHORT]}: {what}",
        "give a commit that has the target, under the same name",
    )


def imported_in_place(repository: Path, folder: Path) -> tuple[Path, ...]:
    """Folders of the repository in which every Python finds imports: installed in place, or on PYTHONPATH.

    `folder` is where Python is started. Raises GitError for a package that is installed in place under
    another name than that of its folder.
    """
    # The interpreter that runs are made with.
    command = [sys.executable, "-c", _PROBE]
    ended = guard.ask(command, seconds=None, folder=folder)
    if ended.code:
        said = ended.stderr.decode(errors="replace").strip()[-500:]
        raise RunError("python-not-started", f"a fresh Python failed: {said}")
    paths, places = json.loads(ended.stdout.splitlines()[-1])
    folders = [Path(os.path.realpath(path)) for path in paths]
    redirected = ((name, Path(os.path.realpath(place))) for name, place in places)
    folders += [_root_of(*one) for one in redirected if _within(one[1], repository)]
    return tuple(dict.fromkeys(folder for folder in folders if _within(folder, repository)))


def _within(path: Path, repository: Path) -> bool:
    """Say whether a path is the repository's own code. A virtual environment in the repository is not."""
    return path.is_relative_to(repository) and not _is_library(path)


def _is_library(path: Path) -> bool:
    standard = os.path.realpath(sysconfig.get_paths()["stdlib"])
    return not {"site-packages", "dist-packages"}.isdisjoint(path.parts) or path.is_relative_to(standard)


def _root_of(name: str, place: Path) -> Path:
    """Find the folder from which a package at `place` is imported under its name."""
    if place.name == "__init__.py":
        place = place.parent
    parts = name.split(".")
    if [*place.with_suffix("").parts[-len(parts) :]] != parts:
        raise GitError(
            "installed-under-another-name",
            f"the package {name} is installed in place from {place}, a folder of another name",
            "commits can only be compared where the folder has the package's name",
        )
    return place.parents[len(parts) - 1]


def _is_ignored(repository: Path, path: Path) -> bool:
    """Say whether git ignores a file (an environment that is kept in the repository, say)."""
    return asked(repository, "check-ignore", "--quiet", "--", str(path)) is not None


def code_of_ours(reader: TraceReader, checkout: Checkout) -> str | None:
    """Find a file of the user's work tree that a run of the commit executed by mistake."""
    for file in dict.fromkeys(site.file for site in reader.sites.values()):
        # What is linked into the commit's work tree was meant to be ours. What has no full path is generated.
        if not os.path.isabs(file) or Path(os.path.normpath(file)).is_relative_to(checkout.root):  # noqa: PTH117 - a text of the trace
            continue
        path = Path(os.path.realpath(file))
        if _within(path, checkout.repository) and not _is_ignored(checkout.repository, path):
            return str(path.relative_to(checkout.repository))
    return None
