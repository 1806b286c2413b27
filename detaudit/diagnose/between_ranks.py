"""Look for faults between the ranks of a run that repeats itself; run it once more by operator for that."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from detaudit.compare.relations import collective_finding, drift_finding, shard_finding
from detaudit.compare.replicas import RankStream, find_drift, rank_streams
from detaudit.compare.shards import find_shard_faults
from detaudit.diagnose.case import Case
from detaudit.model.result import Finding
from detaudit.model.trace import Level
from detaudit.trace.reader import TraceReader

STEPS_LOOKED_AT = 2
"""Steps in which the order of collective operations is looked at: it is the same in each, as a rule."""


def rank_findings(case: Case, first: TraceReader, *, closely: bool) -> list[Finding]:
    """Compare the ranks of the first run with each other; `closely`: by operator too, which takes a run."""
    ranks = rank_streams(first)
    if len(ranks) < 2:  # noqa: PLR2004 - a single rank has no other to differ from
        return []
    drift = find_drift(ranks)
    begin = 0 if drift is None else drift.step
    with ExitStack() as stack:
        operators = _by_operator(case, stack, (begin, begin + STEPS_LOOKED_AT)) if closely else []
        found: list[Finding | None] = [collective_finding(operators, "1")]
        if drift is not None:
            found.append(drift_finding(drift, ranks, operators, "1"))
        found.extend(shard_finding(fault, "1") for fault in find_shard_faults(ranks))
    return [finding for finding in found if finding is not None]


def _by_operator(case: Case, stack: ExitStack, window: tuple[int, int]) -> Sequence[RankStream]:
    """Run the target once more at level `op`; give its ranks, or none where the run did not end well."""
    case.progress.note("running once more by operator, to compare the ranks with each other")
    (outcome,) = case.run_again("ranks", runs=1, level=Level.OP, window=window)
    if not outcome.ended_well or outcome.trace is None:
        return []
    return rank_streams(stack.enter_context(TraceReader(outcome.trace)))
