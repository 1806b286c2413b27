"""Test a commit: whether the target is reproducible there, or has the numbers of a reference."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Self

from detaudit.compare.compare import compare
from detaudit.compare.result import why_unverified
from detaudit.diagnose.failure import tail, why_failed
from detaudit.errors import DetauditError, RunError
from detaudit.model.codec import from_plain, to_plain
from detaudit.model.plan import RunPlan, TargetRef
from detaudit.reference.transplant import at_commit, code_of_ours
from detaudit.reference.worktree import Checkout, checked_out
from detaudit.run.options import RunOptions
from detaudit.run.progress import Progress
from detaudit.run.runs import Runs
from detaudit.trace.reader import TraceReader


class Outcome(StrEnum):
    """The result of the test of a commit."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


_LOG = "tried.jsonl"

EXIT_CODES = {Outcome.GOOD: 0, Outcome.BAD: 1, Outcome.SKIPPED: 125}
"""The exit codes that `git bisect run` understands."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A commit that was put to the test."""

    commit: str
    outcome: Outcome
    runs: int
    reason: str = ""
    """The reason why the commit was skipped."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The question for each commit. The trial goes to another process as JSON: texts and numbers only."""

    repository: str
    folder: str
    """The user's folder: the target is started in the folder that corresponds to it."""
    place: str
    """A folder for work trees and runs."""
    target: str
    is_module: bool
    args: tuple[str, ...]
    links: tuple[str, ...]
    level: str
    seed: int
    steps: int | None
    timeout: float | None
    runs: int = 2
    reference: str | None = None
    """The trace with the numbers of a good commit; None: each commit is compared with its own first run."""

    def save(self) -> Path:
        """Write it into its place."""
        path = Path(self.place) / "trial.json"
        path.write_text(json.dumps(to_plain(self)), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what was saved."""
        return from_plain(cls, json.loads(path.read_text(encoding="utf-8")), path.name)

    def note(self, tried: Tried) -> None:
        """Add a commit to the log."""
        with (Path(self.place) / _LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(to_plain(tried)) + "\n")

    def tried(self) -> tuple[Tried, ...]:
        """Read the commits in the log, in the order in which they were tested."""
        path = Path(self.place) / _LOG
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return tuple(from_plain(Tried, json.loads(line), path.name) for line in lines)

    def ask(self, commit: str, progress: Progress) -> Tried:
        """Run a commit as often as it takes. What cannot be run is skipped, and says why."""
        done = 0
        try:
            with self.runs_of(commit, progress) as runs, opened(self.reference) as reference:
                first = reference
                for reader in runs:
                    done += 1
                    if first is not None and differ(first, reader):
                        return Tried(commit, Outcome.BAD, done)
                    first = first or reader
                    if done == self.runs:
                        break
        except DetauditError as error:
            return Tried(commit, Outcome.SKIPPED, done, error.message)
        return Tried(commit, Outcome.GOOD, done)

    @contextmanager
    def runs_of(self, commit: str, progress: Progress) -> Iterator[Iterator[TraceReader]]:
        """Run a commit repeatedly; give the trace of each run, which is made when it is asked for.

        Raises TargetError, GitError or RunError for a commit that cannot be run, or not as itself.
        """
        ref = TargetRef(self.target, self.is_module, self.args)
        options = RunOptions(level=self.level, seed=self.seed, steps=self.steps, timeout=self.timeout)
        place, links = Path(self.place), [Path(link) for link in self.links]
        with (
            checked_out(Path(self.repository), commit, place, links) as checkout,
            tempfile.TemporaryDirectory(prefix="runs-", dir=place, ignore_cleanup_errors=True) as folder,
            ExitStack() as readers,
        ):
            plan = at_commit(ref, options, checkout, Path(self.folder))
            runs = Runs(Path(folder), progress)
            traces = (_run(plan, runs, str(number)) for number in count(1))
            yield (_checked(readers.enter_context(TraceReader(trace)), checkout) for trace in traces)


@contextmanager
def opened(trace: str | None) -> Iterator[TraceReader | None]:
    """Open the trace for as long as the block lasts; None if there is no trace."""
    if trace is None:
        yield None
        return
    with TraceReader(trace) as reader:
        yield reader


def differ(first: TraceReader, second: TraceReader) -> bool:
    """Say whether two runs differ. Raises RunError if they cannot be compared."""
    comparison = compare(first, second)
    reason = why_unverified({"1": first, "2": second}, [comparison])
    if reason is not None:
        raise RunError("run-not-comparable", reason)
    return not comparison.equal


def _run(plan: RunPlan, runs: Runs, name: str) -> Path:
    outcome = runs.once(plan, name)
    reason = why_failed(plan, [outcome])
    if outcome.trace is None or reason is not None:
        last = tail(outcome.stderr).rpartition("\n")[2]
        raise RunError("run-failed", f"{reason}{f' ({last})' if last else ''}")
    return outcome.trace


def _checked(reader: TraceReader, checkout: Checkout) -> TraceReader:
    ours = code_of_ours(reader, checkout)
    if ours is not None:
        raise RunError("run-mixed-up", f"the run used {ours} of the work tree, not of the commit")
    return reader
