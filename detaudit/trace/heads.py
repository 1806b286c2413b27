"""Read steps without their events: two runs are first compared by these heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detaudit.trace.layout import step_digest

HEADS = "SELECT step, complete, digest, events, generators FROM steps WHERE "

HEAD_TYPES = (int, int, bytes, int, str)
"""Types of step, complete, digest, events, generators."""


@dataclass(frozen=True, slots=True)
class StepHead:
    """A step without its events: enough to tell whether two runs agree on it."""

    index: int
    complete: bool
    digest: bytes
    events: int
    states: str
    """The states of the generators at its end, as `data.read_states` takes them apart."""


def head_of(parts: list[tuple[Any, ...]]) -> StepHead:
    """Make the head of a step from the rows of its parts."""
    last = parts[-1]
    digest = step_digest([part[2] for part in parts])
    return StepHead(parts[0][0], bool(last[1]), digest, sum(part[3] for part in parts), last[4])
