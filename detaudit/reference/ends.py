"""Check both ends of a search before it begins: good, bad, and how often the fault shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path

from detaudit.compare.enough_runs import ENOUGH, all_agree, all_like, runs_needed
from detaudit.errors import DetauditError, RunError
from detaudit.reference.git import SHORT
from detaudit.reference.trial import Outcome, Trial, Tried, differ, opened
from detaudit.run.progress import Progress
from detaudit.trace.reader import TraceReader

MOST_RUNS = 8
"""Runs of the bad end, at most, to see how often the fault shows."""


class Property(StrEnum):
    """The property that is lost between the ends."""

    REPRODUCIBLE = "reproducible"
    NUMERICS = "numerics"


@dataclass(frozen=True, slots=True)
class End:
    """One end of the search."""

    name: str
    """The commit's name, as the user gave it."""
    commit: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.name} ({self.commit[:SHORT]})"


@dataclass(frozen=True, slots=True)
class Ends:
    """The result of checking both ends."""

    trial: Trial
    """The question that is asked about each commit between the ends."""
    missed: float | None
    """Chance that a commit passes though it has a fault as frequent as at the bad end; None: no chance."""
    tried: tuple[Tried, Tried]
    """The good end, the bad one."""


def look_at_ends(trial: Trial, wanted: Property, good: End, bad: End, progress: Progress) -> Ends:
    """Make sure of both ends. `trial.runs` is 0 if the number of runs is to be found out.

    Raises RunError, or what kept a commit from being run.
    """
    if wanted is Property.NUMERICS:
        return _for_numbers(trial, good, bad, progress)
    return _for_repeats(trial, good, bad, progress)


def _for_repeats(trial: Trial, good: End, bad: End, progress: Progress) -> Ends:
    progress.note(f"running {bad}, which should differ from run to run")
    with _named(bad):
        sizes = _groups(trial, bad.commit, progress)
    seen = sum(sizes)
    if len(sizes) == 1:
        raise RunError(
            "bad-is-not-bad",
            f"{seen} runs of {bad} are all the same",
            "with --bad, name a commit whose runs differ",
        )
    missed = partial(all_agree, sizes)
    trial = replace(trial, runs=trial.runs or runs_needed(missed, least=2))
    progress.note(f"running {good}, which should not, {trial.runs} times")
    tried = trial.ask(good.commit, progress)
    if tried.outcome is not Outcome.GOOD:
        what = tried.reason or f"its runs 1 and {tried.runs} differ"
        raise RunError("good-is-not-good", f"{good} is not good: {what}", "go further back with --good")
    return Ends(trial, missed(trial.runs), (tried, Tried(bad.commit, Outcome.BAD, seen)))


def _groups(trial: Trial, commit: str, progress: Progress) -> list[int]:
    """Sizes of the groups into which runs of a commit fall, the ones of a group being equal."""
    groups: list[tuple[TraceReader, int]] = []
    with trial.runs_of(commit, progress) as runs:
        for reader in islice(runs, max(MOST_RUNS, trial.runs)):
            at = next((at for at, (one, _) in enumerate(groups) if not differ(one, reader)), len(groups))
            size = groups[at][1] if at < len(groups) else 0
            groups[at : at + 1] = [(groups[at][0] if size else reader, size + 1)]
            sizes = [size for _, size in groups]
            # A number of runs that was given is not to be measured.
            if len(sizes) > 1 and (trial.runs or runs_needed(partial(all_agree, sizes), 2) <= ENOUGH):
                break
    return sizes


def _for_numbers(trial: Trial, good: End, bad: End, progress: Progress) -> Ends:
    progress.note(f"running {good} twice: the other commits are compared with its numbers")
    with _named(good):
        trial = replace(trial, reference=_reference(trial, good.commit, progress))
    progress.note(f"running {bad}, whose numbers should differ")
    with _named(bad):
        seen, unlike, missed = _measured(trial, bad.commit, progress)
    if not unlike:
        text = f"{seen} runs of {bad} have the numbers of {good}"
        raise RunError("bad-is-not-bad", text, "`detaudit check TARGET --against REF` compares with a commit")
    needed = 1 if missed is None else runs_needed(missed, least=1)
    trial = replace(trial, runs=trial.runs or needed)
    tried = Tried(good.commit, Outcome.GOOD, 2), Tried(bad.commit, Outcome.BAD, seen)
    return Ends(trial, None if missed is None else missed(trial.runs), tried)


def _reference(trial: Trial, commit: str, progress: Progress) -> str:
    """Keep the trace of a run of a commit; a second one must be the same."""
    kept = Path(trial.place) / "reference.trace"
    with trial.runs_of(commit, progress) as runs:
        first, second = islice(runs, 2)
        if differ(first, second):
            hint = "find the cause with --property reproducible, or with `detaudit check`"
            raise RunError(
                "good-not-reproducible", "two runs differ, so there are no numbers to compare with", hint
            )
        shutil.copy(first.path, kept)
    return str(kept)


def _measured(
    trial: Trial, commit: str, progress: Progress
) -> tuple[int, int, Callable[[int], float] | None]:
    """Run a commit; give the number of runs, of runs unlike the reference, and the chance to miss the fault.

    The chance is a function of the number of runs; None if the fault is never missed.
    """
    seen = unlike = 0
    first, missed = None, partial(all_like, 0, 0)
    with trial.runs_of(commit, progress) as runs, opened(trial.reference) as reference:
        for reader in islice(runs, max(MOST_RUNS, trial.runs)):
            seen += 1
            unlike += reference is not None and differ(reference, reader)
            missed = partial(all_like, seen, unlike)
            if first is not None and seen == 2 and not differ(first, reader):  # noqa: PLR2004 - the second run
                # What repeats itself needs no repetition.
                return seen, unlike, None
            first = first or reader
            if unlike and runs_needed(missed, 1) <= (trial.runs or ENOUGH):
                break
    return seen, unlike, missed


@contextmanager
def _named(end: End) -> Iterator[None]:
    """Say of which end an error is."""
    try:
        yield
    except DetauditError as error:
        raise type(error)(error.slug, f"{end}: {error.message}", error.hint) from error
