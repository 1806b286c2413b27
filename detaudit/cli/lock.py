"""Write digests of a training's first steps into a lock, for `detaudit check --lock` to hold runs against."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.cli.options import Once, add_settings
from detaudit.cli.progress import progress_on_stderr
from detaudit.config import audit_options, in_ci, resolve
from detaudit.errors import (
    EXIT_NOT_REPRODUCIBLE,
    EXIT_REPRODUCIBLE,
    EXIT_UNVERIFIED,
    UsageError,
)
from detaudit.model.plan import TargetRef
from detaudit.report.output import check_file, write
from detaudit.report.terminal import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from detaudit.config import Settings
    from detaudit.diagnose.options import AuditOptions
    from detaudit.model.lock import Lock
    from detaudit.reference.hold import Held
    from detaudit.reference.locking import Locked

EXIT_CODES = {"differs": EXIT_NOT_REPRODUCIBLE, "failed": EXIT_UNVERIFIED}
"""Exit codes by the state of a target; every other state is a success."""

SETTINGS = ("steps", "scope", "level", "seed", "timeout", "jobs", "update")
WORDS = {
    "steps": "how many steps are locked (default: as many as the lock has for the target, or else 3)",
    "scope": "what is locked: all (default), or training: evaluations may differ",
    "level": "what is locked: every layer (layer), or only what enters and leaves the model (step); the "
    "default, auto, takes the level that the lock has for the target, or else layer",
    "update": "write the lock even if CI is set, where detaudit otherwise refuses to write locks",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    help_text = "train.py, model.py, model.py:make_model, or pkg.mod:callable; arguments for all go after --"
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=help_text)
    parser.add_argument(
        "-m",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module, as `python -m` runs",
    )
    parser.add_argument(
        "-o", "--output", action=Once, metavar="FILE", help="the lock to write to (default: detaudit.lock)"
    )
    parser.add_argument("--replace", action="store_true", help="forget other environments of these targets")
    parser.add_argument("--prune", action="store_true", help="forget targets whose file is gone")
    add_settings(parser, SETTINGS, WORDS)
    parser.set_defaults(passed_on=())


def run(arguments: argparse.Namespace) -> int:
    """Lock the targets one after the other, write the lock once, and say what changed."""
    refs = [TargetRef(text, args=arguments.passed_on) for text in arguments.targets]
    refs += [TargetRef(text, module=True, args=arguments.passed_on) for text in arguments.modules]
    if not refs and not arguments.prune:
        raise UsageError("usage", "no target is given", "give one or more: `detaudit lock train.py`")
    settings = resolve(vars(arguments))
    _refuse_in_ci(settings)
    # Imported late: everything that is wrong with the command line is told at once.
    from detaudit.reference.blocks import gone, without
    from detaudit.reference.lock_file import EMPTY, NAME, read_lock, text_of

    path = Path(arguments.output or settings.lock or NAME)
    check_file(path)
    before = read_lock(path) if path.exists() else EMPTY
    pruned = gone(before, path) if arguments.prune else []
    options = audit_options(settings)
    lock, results = _lock(refs, options, without(before, pruned), path, alone=arguments.replace)
    if lock != before:
        write(text_of(lock), str(path))
    lines = [line for ref, one in zip(refs, results, strict=True) for line in _lines(ref, one)]
    lines += [f"{one.name}: forgotten, its file is gone" for one in pruned]
    lines.append(f"{path} {'written' if lock != before else 'not changed'}")
    for line in lines:
        print(printable(line, sys.stdout.encoding or "utf-8"))
    return max((EXIT_CODES.get(one.state, EXIT_REPRODUCIBLE) for one in results), default=EXIT_REPRODUCIBLE)


def _refuse_in_ci(settings: Settings) -> None:
    """Raise where the lock would be made by the check that it is there for."""
    if not in_ci() or settings.update:
        return
    hint = "run `detaudit check TARGET --lock FILE` here; --update writes the lock of this machine anyway"
    raise UsageError("lock-in-ci", "CI is set: a lock that CI itself writes would check nothing", hint)


def _lock(
    refs: list[TargetRef], options: AuditOptions, lock: Lock, path: Path, *, alone: bool
) -> tuple[Lock, list[Locked]]:
    """Lock all targets; the last ones find what the first ones left."""
    from detaudit.reference.blocks import with_block
    from detaudit.reference.locking import make_lock
    from detaudit.targets.find import find_target

    for ref in refs:
        # A name that is wrong is told before anything runs.
        find_target(ref)
    results = []
    with progress_on_stderr() as progress:
        for ref in refs:
            progress.note(f"locking {ref.text}")
            lock, locked = make_lock(ref, options, lock, path, progress)
            if alone and locked.block is not None:
                lock = with_block(lock, locked.block, alone=True)
            results.append(locked)
    return lock, results


def _lines(ref: TargetRef, locked: Locked) -> Iterator[str]:
    """Say what became of one target."""
    from detaudit.reference.wording import shown

    name = shown(locked.target)
    if locked.block is None:
        yield from _not_locked(ref, locked, name)
        return
    block = locked.block
    size = f"{len(block.entries)} things in {_steps(block.steps)}"
    words = {
        "new": f"new, {size}",
        "added": f"new for this environment, {size}",
        "unchanged": f"not changed, {size}",
        "updated": f"updated, {size}",
    }
    yield f"{name}: {words[locked.state]}"
    if locked.before is not None:
        yield from _change(locked.before)
    if locked.state in {"new", "added"}:
        yield "  holds for " + ", ".join(f"{key} {value}" for key, value in block.environment.items())


def _change(before: Held) -> Iterator[str]:
    """Say how a target differs from what was locked of it before."""
    from detaudit.reference.wording import told

    if before.differing:
        yield f"  {before.differing} of the {before.compared} things that it had before differ"
    if before.first is not None:
        step = max(before.first.entry.step, 0)
        yield f"  first in step {step}, {before.first.entry.phase.value}: {told(before.first, 'the lock')}"


def _not_locked(ref: TargetRef, locked: Locked, name: str) -> Iterator[str]:
    """Say why nothing was locked, and which command tells more."""
    words = "NOT LOCKED, its two runs differ" if locked.state == "differs" else "NOT LOCKED"
    yield f"{name}: {words}: {locked.reason}"
    yield from (f"  {line}" for line in locked.place.splitlines())
    command = ["detaudit", "check", *(["-m"] if ref.module else []), ref.text]
    yield f"  `{shlex.join([*command, *(['--', *ref.args] if ref.args else [])])}` looks for the cause"


def _steps(number: int) -> str:
    return "1 step" if number == 1 else f"{number} steps"
