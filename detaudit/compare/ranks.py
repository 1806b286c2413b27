"""Order what the ranks of a distributed training show, and say which of them are missing.

Ranks have no common clock. What a rank makes reaches the others through what they exchange: the gradients, as
a rule, or what a layer that is spread over ranks hands on. So the rank that differs earliest within a step is
where a difference begins, and what the others show later in the step is received.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from detaudit.model.result import Divergence
from detaudit.model.trace import Kind, Phase, Rank

_NUMBER = re.compile(r"rank (\d+)\b")
_PHASES = list(Phase)


def rank_of(label: str) -> int | None:
    """Return the rank that a thread or process belongs to, by its label; None where it belongs to none."""
    found = _NUMBER.match(label)
    return None if found is None else int(found[1])


def is_earlier(ours: Divergence, theirs: Divergence) -> bool:
    """Say whether a divergence of one rank comes before that of another, in the order of a training step."""
    return _position(ours) < _position(theirs)


def _position(divergence: Divergence) -> tuple[int, int, bool, int, int]:
    place = divergence.event.place
    received = place.kind is Kind.OP and is_collective(place.name)
    order = (divergence.step, _PHASES.index(place.phase), received)
    return *order, divergence.event.sequence, rank_of(divergence.stream) or 0


def is_collective(operator: str) -> bool:
    """Say whether an operator exchanges values between ranks, by its full name."""
    return operator.startswith(("c10d.", "_c10d_functional", "c10d_functional."))


def as_ranges(numbers: Iterable[int]) -> str:
    """Write ranks as ranges: `0-3, 7`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def rank_shortcomings(run: str, ranks: Sequence[Rank]) -> Iterator[str]:
    """Yield the reasons, if there are any, why the ranks of a run are no evidence."""
    for world in sorted({rank.world for rank in ranks}):
        yield from _of_world(run, [rank for rank in ranks if rank.world == world], world)


def _of_world(run: str, ranks: Sequence[Rank], world: int) -> Iterator[str]:
    restarted = max(rank.restarts for rank in ranks)
    if restarted:
        yield (
            f"the launcher of run {run} started its ranks again (restart {restarted}): "
            "what they computed before was cut off"
        )
    # A program may start its ranks several times; each of them is to be there each time.
    seen = Counter(rank.number for rank in ranks)
    missing = [number for number in range(world) if seen[number] < max(seen.values())]
    if missing:
        yield f"run {run} has no trace of rank {as_ranges(missing)} of {world}"
    for rank in ranks:
        if not rank.finished:
            ended = f"its trace stops after {rank.steps} completed steps"
            yield f"rank {rank.number} of run {run} did not end: {ended}"
