"""Say why the traces of one launch are no evidence: what they say of themselves, taken together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from detaudit.compare.ranks import as_ranges, rank_shortcomings
from detaudit.compare.result import trace_shortcomings
from detaudit.errors import TraceError
from detaudit.model.trace import Rank
from detaudit.trace.reader import TraceReader

_FILE = re.compile(r"rank-(\d+)")
TRACES = "*.trace"
_GROUPS = 4
"""At most this many groups of ranks are listed for one reason."""


def label_of(name: str) -> int | str:
    """Return the rank that a trace is of, by the name of its file; the name itself for what is no rank's."""
    found = _FILE.fullmatch(name)
    return name if found is None else int(found[1])


def traces_in(folder: Path) -> dict[str, Path]:
    """List the traces in a folder by their names. Raises TraceError if there is none."""
    found = {path.stem: path for path in sorted(folder.glob(TRACES))}
    if not found:
        hint = "record a launch there: `DETAUDIT_RECORD=FOLDER torchrun ... train.py`"
        raise TraceError("folder-empty", f"there is no trace in {folder}", hint)
    return found


@dataclass(slots=True)
class Launch:
    """What the traces in one folder say of themselves."""

    run: str
    names: set[str] = field(default_factory=set)
    targets: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    worlds: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    restarts: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    reasons: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ranks: list[Rank] = field(default_factory=list)
    launch: set[str] = field(default_factory=set)
    """The names that traces of the launch have, as far as they are known to be of one."""
    strangers: list[str] = field(default_factory=list)
    """Traces that are of another launch."""
    nameless: set[int] = field(default_factory=set)
    """Ranks that were killed: their traces do not say how many ranks there were."""

    def see(self, name: str, reader: TraceReader) -> None:
        """Take in one trace."""
        info = reader.info
        self.names.add(name)
        self.targets[info.target].append(name)
        for reason in trace_shortcomings(self.run, reader):
            self.reasons[reason].append(name)
        for rank in info.ranks:
            self.worlds[rank.world].append(name)
            self.restarts[rank.restarts].append(name)
            # What is told of the trace as a whole need not be told again.
            self.ranks.append(replace(rank, data_parallel=(), finished=True, restarts=0))
        label = label_of(name)
        if not info.ranks and isinstance(label, int):
            self.nameless.add(label)
        if self.launch and info.launch and not self.launch & set(info.launch):
            self.strangers.append(name)
        else:
            self.launch.update(info.launch)

    def shortcomings(self) -> Iterator[str]:
        """Yield the reasons, if there are any, why this launch is no evidence."""
        if self.strangers:
            yield f"run {self.run} has traces of several launches: {listed(self.strangers)} of another one"
        for what, groups in (("programs", self.targets), ("world sizes", self.worlds)):
            if len(groups) > 1:
                yield f"run {self.run} has traces of different {what}: {_grouped(groups)}"
        if any(self.restarts):
            again = _grouped(self.restarts)
            yield f"the launcher of run {self.run} started its ranks again (restarts: {again})"
        if len(self.worlds) == 1:
            yield from rank_shortcomings(self.run, [*self.ranks, *self._killed()])
        for reason, names in self.reasons.items():
            yield f"{reason} ({listed(names)})"

    def differences(self, other: Launch) -> Iterator[str]:
        """Yield the reasons why two launches cannot be compared."""
        for what, ours, theirs in (
            ("programs", self.targets, other.targets),
            ("world sizes", self.worlds, other.worlds),
        ):
            if len(ours) == len(theirs) == 1 and ours.keys() != theirs.keys():
                (one,), (another,) = ours, theirs
                yield f"the runs have different {what}: {one} and {another}"

    def _killed(self) -> Iterator[Rank]:
        (world,) = self.worlds
        for number in sorted(self.nameless):
            yield Rank(number, world, "", finished=True)


def _grouped(groups: Mapping[str, list[str]] | Mapping[int, list[str]]) -> str:
    parts = [f"{key} ({listed(names)})" for key, names in groups.items()]
    left = len(parts) - _GROUPS
    return ", ".join(parts[:_GROUPS]) + (f" and {left} more" if left > 0 else "")


def listed(names: Iterable[str]) -> str:
    """Name traces: those of ranks as ranges."""
    labels = [label_of(name) for name in names]
    ranks = as_ranges(label for label in labels if isinstance(label, int))
    others = [label for label in labels if isinstance(label, str)]
    return ", ".join([*([f"rank {ranks}"] if ranks else []), *others])
