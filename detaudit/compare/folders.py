"""Compare the traces that two launches left, rank by rank: two traces are open at a time.

Ranks whose steps have the same digests are not opened further. Of those that differ, the earliest divergence
in the order of a training step is the answer, and a table says from which step on each rank differs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from detaudit.compare.compare import MAIN, SIDES, compare
from detaudit.compare.launches import Launch, label_of, listed, traces_in
from detaudit.compare.ranks import as_ranges, is_earlier
from detaudit.compare.result import (
    compared,
    conditions_notices,
    finding_from,
    not_varied,
    notices_from,
    summarize_run,
)
from detaudit.model.result import (
    BY_RANK,
    AuditResult,
    Comparison,
    FaultScope,
    Finding,
    Notice,
    RunSummary,
    TargetSummary,
    Verdict,
)
from detaudit.trace.data import read_step_rows, steps_completed
from detaudit.trace.reader import TraceReader

_GRAVITY = (FaultScope.TRAINING, None, FaultScope.EVALUATION)
_RUNS = ("1", "2")


def diff_folders(first: Path, second: Path) -> AuditResult:
    """Compare all traces in two folders, those of one name with each other.

    Raises TraceError for a folder without traces, and for traces that cannot be read or compared.
    """
    ours, theirs = traces_in(first), traces_in(second)
    everything = _Everything()
    for name in sorted(ours.keys() | theirs.keys()):
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(TraceReader(traces[name], at_rest=True)) if name in traces else None
                for traces in (ours, theirs)
            ]
            everything.see(name, readers[0], readers[1])
    shown = everything.shown_name
    if shown:
        with TraceReader(ours[shown], at_rest=True) as one, TraceReader(theirs[shown], at_rest=True) as other:
            everything.look_closely(one, other)
    return everything.result(f"{first} / {second}")


@dataclass(slots=True)
class _Everything:
    """The comparisons so far, of which only the gravest and earliest one is kept."""

    launches: tuple[Launch, Launch] = field(default_factory=lambda: (Launch(_RUNS[0]), Launch(_RUNS[1])))
    rows: list[tuple[str, str]] = field(default_factory=list)
    """What became of each trace, and its name."""
    steps: int | None = None
    events: int = 0
    differing: list[str] = field(default_factory=list)
    shown: Comparison | None = None
    """The comparison that is shown: the earliest one that differs or, before there is one, the first."""
    shown_name: str = ""
    runs: tuple[RunSummary, ...] = ()

    def see(self, name: str, first: TraceReader | None, second: TraceReader | None) -> None:
        """Take in the traces of one name; at least one run has it."""
        for launch, reader in zip(self.launches, (first, second), strict=True):
            if reader is not None:
                launch.see(name, reader)
        if first is None or second is None:
            self.rows.append((f"only in run {_RUNS[first is None]}", name))
            return
        comparison = same_steps(first, second) or compare(first, second, _RUNS, closely=False)
        self.steps = comparison.steps if self.steps is None else min(self.steps, comparison.steps)
        self.events += comparison.events
        self.rows.append((_in_words(comparison), name))
        if not comparison.equal:
            self.differing.append(name)
        if self._is_to_be_shown(comparison):
            self.shown, self.shown_name = comparison, name

    def look_closely(self, first: TraceReader, second: TraceReader) -> None:
        """Compare the traces that are shown once more: what else differs in them, how far that reaches."""
        self.shown = compare(first, second, _RUNS)
        self.runs = (summarize_run(_RUNS[0], first), summarize_run(_RUNS[1], second))

    def _is_to_be_shown(self, comparison: Comparison) -> bool:
        shown = self.shown
        if shown is None or comparison.first is None:
            return shown is None
        if shown.first is None:
            return True
        ours, theirs = _GRAVITY.index(comparison.scope), _GRAVITY.index(shown.scope)
        return ours < theirs or (ours == theirs and is_earlier(comparison.first, shown.first))

    def result(self, name: str) -> AuditResult:
        """Make the answer."""
        targets = dict.fromkeys(target for launch in self.launches for target in launch.targets)
        target = TargetSummary("trace", " / ".join(targets) or name)
        reasons = [*self._one_sided(), *(one for launch in self.launches for one in launch.shortcomings())]
        reasons += self.launches[0].differences(self.launches[1])
        table = Notice(BY_RANK, "; ".join(_folded(self.rows)))
        if self.shown is None:
            reasons.append("the runs have no rank in common, so nothing could be compared")
            return replace(AuditResult.unanswered("; ".join(reasons), target), notices=(table,))
        if not self.events:
            reasons.append("the runs have no event in common, so nothing could be compared")
        total = replace(self.shown, steps=self.steps or 0, events=self.events)
        runs = tuple(replace(one, steps=total.steps, events=total.events) for one in self.runs)
        findings: tuple[Finding, ...] = ()
        if self.differing:
            found = finding_from(self.shown, differs=1, pairs=1)
            ranks = as_ranges(one for name in self.differing if isinstance(one := label_of(name), int))
            affects = None if found.affects is None else replace(found.affects, ranks=ranks)
            findings = (replace(found, affects=affects),)
        verdict = Verdict.NOT_REPRODUCIBLE if findings else Verdict.REPRODUCIBLE
        return AuditResult(
            verdict=Verdict.UNVERIFIED if reasons else verdict,
            reason="; ".join(reasons) or None,
            target=target,
            runs=runs,
            compared=compared([total], not_varied([dict(run.conditions) for run in runs])),
            findings=findings,
            notices=(table, *conditions_notices(runs), *notices_from(self.shown)),
        )

    def _one_sided(self) -> Iterator[str]:
        for number, launch in enumerate(self.launches):
            other = self.launches[1 - number]
            lacking = other.names - launch.names
            if len(launch.worlds) == 1:
                # Of its ranks, a launch itself knows which are missing.
                lacking = {name for name in lacking if isinstance(label_of(name), str)}
            if lacking:
                yield f"run {launch.run} has no trace of {listed(lacking)}, which run {other.run} has"


def same_steps(first: TraceReader, second: TraceReader) -> Comparison | None:
    """Compare two traces by the digests of their steps alone; None if that does not tell that they agree."""
    if (first.info.digest, first.info.level) != (second.info.digest, second.info.level):
        return None
    roles = MAIN | SIDES
    ours, theirs = ([s for s in reader.streams if s.role in roles] for reader in (first, second))
    if [(one.label, one.role) for one in ours] != [(one.label, one.role) for one in theirs]:
        return None
    events = 0
    for one, other in zip(ours, theirs, strict=True):
        for row, twin in zip_longest(read_step_rows(first, one.id), read_step_rows(second, other.id)):
            if row != twin:
                return None
            events += row[-1]
    return Comparison(
        runs=_RUNS,
        level=first.info.level,
        steps=steps_completed(first),
        events=events,
        equal=True,
        first=None,
        others=(),
        harmless=(),
        generators=(),
        affected=None,
    )


def _in_words(comparison: Comparison) -> str:
    return "equal" if comparison.first is None else f"from step {comparison.first.step}"


def _folded(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Fold neighbours of which the same can be said, and list those that are no ranks behind."""
    runs: list[tuple[str, list[str]]] = []
    for words, name in sorted(rows, key=lambda row: _order(row[1])):
        is_rank = isinstance(label_of(name), int)
        if runs and runs[-1][0] == words and is_rank and isinstance(label_of(runs[-1][1][-1]), int):
            runs[-1][1].append(name)
        else:
            runs.append((words, [name]))
    for words, names in runs:
        differ = ("differs " if len(names) == 1 else "differ ") if words.startswith("from") else ""
        yield f"{listed(names)} {differ}{words}"


def _order(name: str) -> tuple[int, str]:
    label = label_of(name)
    return (label, "") if isinstance(label, int) else (1 << 62, name)
