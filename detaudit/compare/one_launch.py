"""Compare the ranks of one launch with each other, from the traces that it left in a folder.

Traces are opened one after the other, however many ranks there are. From one launch nobody can tell whether
another one would be the same: the answer is about the ranks alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from detaudit.compare.launches import Launch, listed, traces_in
from detaudit.compare.relations import drift_finding, shard_finding, unrelated_notices
from detaudit.compare.replicas import Drift, RankStream, find_drift, rank_streams
from detaudit.compare.shards import find_shard_faults
from detaudit.model.result import BY_RANK, RANKS, AuditResult, Finding, Notice, TargetSummary, Verdict
from detaudit.model.trace import Rank
from detaudit.trace.reader import TraceReader

_RUN = "1"


def check_launch(folder: Path) -> AuditResult:
    """Say whether the ranks of a launch agree in what they share, and divide what they should divide.

    Raises TraceError for a folder without traces, and for traces that cannot be read.
    """
    traces, launch = traces_in(folder), Launch(_RUN)
    ranks: list[Rank] = []
    for name, path in traces.items():
        with TraceReader(path, at_rest=True) as reader:
            launch.see(name, reader)
            ranks.extend(reader.info.ranks)
    drift = find_drift(_ranks_of(traces))
    findings = [] if drift is None else [_described(drift, traces)]
    findings += [shard_finding(fault, _RUN) for fault in find_shard_faults(_ranks_of(traces))]
    reasons = [*launch.shortcomings(), *(notice.message for notice in unrelated_notices(ranks))]
    if len(ranks) < 2:  # noqa: PLR2004 - a single rank has no other to differ from
        reasons.append(f"{folder} has the traces of fewer than two ranks")
    verdict = Verdict.NOT_REPRODUCIBLE if findings else Verdict.REPRODUCIBLE
    return AuditResult(
        verdict=Verdict.UNVERIFIED if reasons and not findings else verdict,
        reason="; ".join(reasons) or None,
        target=TargetSummary("trace", " / ".join(launch.targets)),
        runs=(),
        compared=None,
        findings=tuple(findings),
        notices=(Notice(BY_RANK, _extent(launch, ranks)),),
        scope=RANKS,
    )


def _extent(launch: Launch, ranks: Sequence[Rank]) -> str:
    """Say how much was compared."""
    steps = min((rank.steps for rank in ranks), default=0)
    return f"{listed(launch.names)} compared with each other, {steps} steps of each"


def _ranks_of(traces: Mapping[str, Path]) -> Iterator[RankStream]:
    """Give the ranks one after the other, each as long as its trace is open."""
    for path in traces.values():
        with TraceReader(path, at_rest=True) as reader:
            yield from rank_streams(reader)


def _described(drift: Drift, traces: Mapping[str, Path]) -> Finding:
    wanted = {drift.reference, drift.departed[0]}
    with contextlib.ExitStack() as stack:
        found: list[RankStream] = []
        for path in traces.values():
            reader = stack.enter_context(TraceReader(path, at_rest=True))
            if wanted & {rank.number for rank in reader.info.ranks}:
                found.extend(rank_streams(reader))
            else:
                reader.close()
        return drift_finding(drift, found, [], _RUN)
