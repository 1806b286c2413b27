"""Find with `git bisect run` the commit that broke reproducibility, or that changed the numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from detaudit.errors import RunError, UsageError
from detaudit.model.plan import TargetRef
from detaudit.reference.changes import changed_lines
from detaudit.reference.ends import End, Ends, Property, look_at_ends
from detaudit.reference.git import SHORT, Commit, asked, commit_of, environment, git, repository_of, resolve
from detaudit.reference.trial import Outcome, Trial, Tried
from detaudit.reference.worktree import bare_worktree, checked_out, links_of, remove, worktrees
from detaudit.run.guard import Guarded, start
from detaudit.run.options import RunOptions
from detaudit.run.progress import Progress
from detaudit.run.workspace import workspace

_PACKAGES = Path(__file__).parent.parent.parent
_STEP = (
    "import sys; sys.path.append(sys.argv[2])\n"
    "from detaudit.cli.bisect_step import main_exit\n"
    "main_exit(sys.argv[1])"
)
"""The command that git runs for each commit. On PYTHONPATH, the audited program would find detaudit too."""

_NAMED = re.compile(r"^# (first bad|possible first bad) commit: \[([0-9a-f]+)\]", re.MULTILINE)
"""The text that git adds to its log at the end of a search."""

_PATIENCE_SECONDS = 15.0
"""The time that a step may take to end its run and to tidy up, after it is told to end."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks for."""

    ref: TargetRef
    good: str
    bad: str
    wanted: Property
    runs: int | None
    """Number of runs of each commit; None: as many as the fault needs."""
    options: RunOptions
    link: str | None = None
    """Folders that git ignores and each commit needs as well, with commas between them."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer."""

    candidates: tuple[Commit, ...]
    """The first bad commit; several commits if those between them could not be run."""
    changed: tuple[str, ...]
    """Lines that the first bad commit changed; empty if there are several candidates."""
    ends: Ends
    tried: tuple[Tried, ...]
    """The commits between the ends that were tested."""

    @property
    def tried_good(self) -> int:
        """The number of commits that passed, with the good end."""
        return 1 + sum(one.outcome is Outcome.GOOD for one in self.tried)


def bisect(request: Request, progress: Progress) -> Found:
    """Find the first commit that is bad.

    Raises UsageError or GitError where there is nothing to search, RunError where an end is not what it is
    said to be, or the search does not come to its end.
    """
    folder = Path.cwd()
    repository = repository_of(folder)
    good = End(request.good, resolve(repository, request.good))
    bad = End(request.bad, resolve(repository, request.bad))
    _refuse_unrelated(repository, good, bad)
    with ExitStack() as stack:
        place = stack.enter_context(workspace(None)).resolve()
        stack.callback(_remove_left, repository, place)
        trial = _trial(request, repository, folder, place)
        ends = look_at_ends(trial, request.wanted, good, bad, progress)
        runs = ends.trial.runs
        progress.note(f"searching between {good} and {bad}, with {runs} run{'s'[: runs > 1]} of each commit")
        notes = stack.enter_context(bare_worktree(repository, bad.commit, place))
        log = _search(ends.trial, notes, good, bad)
        return _found(repository, place, ends, log)


def _refuse_unrelated(repository: Path, good: End, bad: End) -> None:
    if good.commit == bad.commit:
        raise UsageError("bisect-nothing", f"{good} and {bad} are the same commit", "give two commits")
    if asked(repository, "merge-base", "--is-ancestor", good.commit, bad.commit) is not None:
        return
    base = asked(repository, "merge-base", good.commit, bad.commit)
    raise UsageError(
        "bisect-unrelated",
        f"{good} is not among the commits that led to {bad}, so none of those can have broken it",
        "give an ancestor with --good" + (f"; the last common one is {base[:SHORT]}" if base else ""),
    )


def _trial(request: Request, repository: Path, folder: Path, place: Path) -> Trial:
    options = request.options
    return Trial(
        repository=str(repository),
        folder=str(folder),
        place=str(place),
        target=request.ref.text,
        is_module=request.ref.module,
        args=request.ref.args,
        links=tuple(map(str, links_of(repository, folder, request.link))),
        level=options.level,
        seed=options.seed,
        steps=options.steps,
        timeout=options.timeout,
        runs=request.runs or 0,
    )


def _search(trial: Trial, notes: Path, good: End, bad: End) -> str:
    """Let git search; its log."""
    git(notes, "bisect", "start", "--no-checkout", bad.commit, good.commit)
    # Where nothing lies between the ends, git has found it already.
    if not _NAMED.search(git(notes, "bisect", "log")):
        step = [sys.executable, "-c", _STEP, str(trial.save()), str(_PACKAGES)]
        with _running(["git", "bisect", "run", *step], notes) as process:
            process.wait()
    log = git(notes, "bisect", "log")
    if not _NAMED.search(log):
        raise RunError("bisect-not-ended", "git bisect run did not finish", "its last output is above")
    return log


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[Guarded]:
    """Start a process; end it, with all that it started, when the block is left."""
    process = start(command, folder=folder, environment=environment(), stdout=subprocess.DEVNULL, stderr=None)
    try:
        yield process
    finally:
        # They get time to leave nothing behind.
        process.end(_PATIENCE_SECONDS)


def _remove_left(repository: Path, place: Path) -> None:
    """Remove the work trees of a step that had no time to."""
    for root in worktrees(repository):
        if root.is_relative_to(place):
            remove(repository, root)


def _found(repository: Path, place: Path, ends: Ends, log: str) -> Found:
    tried = ends.trial.tried()
    named = [match[2] for match in _NAMED.finditer(log)]
    judged_bad = {ends.tried[1].commit, *(one.commit for one in tried if one.outcome is Outcome.BAD)}
    if len(named) == 1 and named[0] not in judged_bad:
        # To git every exit code that it does not know is a bad commit: that of a step that broke, too.
        raise RunError("bisect-step-failed", f"the test of {named[0][:SHORT]} failed", "its output is above")
    candidates = tuple(commit_of(repository, one) for one in named)
    changed: tuple[str, ...] = ()
    if len(candidates) == 1:
        with checked_out(repository, named[0], place) as checkout:
            changed = changed_lines(checkout.root, f"{named[0]}^")
    return Found(candidates, changed, ends, tried)
