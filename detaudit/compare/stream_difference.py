"""The result of comparing one thread: whether the runs part, where, and what the difference reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

from detaudit.compare.scope import Reach
from detaudit.compare.side_by_side import Thread
from detaudit.model.result import Divergence
from detaudit.model.trace import Place


@dataclass(slots=True)
class StreamDifference:
    """The result of comparing one thread of two runs."""

    thread: Thread
    steps: int = 0
    """Steps that both runs completed."""
    last_step: int | None = None
    """The last step that both runs completed."""
    events: int = 0
    """Events that both runs have."""
    core: bool = False
    """True if the training itself differs."""
    updated: set[Place] = field(default_factory=set)
    """Weights that the thread left behind after a step that differs."""
    weight: Divergence | None = None
    """The first of these weights that differs."""
    trains: bool = False
    """True if the thread was seen to train, in a step that differs."""
    earliest: Divergence | None = None
    """The first divergence that could reach a number, whether it did or not."""
    fault: Divergence | None = None
    """The first divergence that is a fault even where the training agrees."""
    texts: dict[Place, Divergence] = field(default_factory=dict)
    """Differences in strings."""
    doubtful: dict[Place, Divergence] = field(default_factory=dict)
    """Differences that are a fault only if the training differs too."""
    reach: Reach | None = None
    """What the differences reach; None for a thread that was not walked through."""

    @property
    def process(self) -> str:
        """The process that the thread belongs to."""
        return self.thread.process

    def candidate(self, *, core: bool) -> Divergence | None:
        """Return where the runs part in this thread, given whether the training differs anywhere."""
        return self.earliest if core else self.fault
