"""The nouns of a lock: values that a run left, as few as a review can look at.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.sketch import Sketch
from detaudit.model.trace import Level, Phase

BEFORE = -1
"""The step of what was there before the first one: the initial weights."""

EXACT = "exact "
"""In front of what holds no floating-point numbers (integers, sparse tensors): no tolerance applies to it."""

VARIES = bytes(16)
"""In the place of a digest: differs between runs and reaches no number (the time of day in a batch, say)."""


TEST = "::"
"""Between the parts of a test's name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a layer, a loader or the training as a whole had in one step."""

    step: int
    """`BEFORE`, or the number of the step."""
    phase: Phase
    layer: str
    """Root and path, `Net.encoder.0`; the loader for a batch; empty for the loss."""
    what: str
    """`weights`, `buffers`, `gradients`, `output`, `batch`, `loss` and the like."""
    digest: bytes
    """16 bytes over all of it, or `VARIES`."""
    sketch: Sketch | None
    """None where it holds no floating-point numbers."""

    @property
    def identity(self) -> tuple[int, str, str, str]:
        """The identity of the thing, equal in two runs."""
        return self.step, self.phase.value, self.layer, self.what


@dataclass(frozen=True, slots=True)
class LockedTarget:
    """The name by which a lock knows a target."""

    name: str
    """Its file as seen from the lock's folder, with the callable behind a colon; `-m pkg.mod`; a test."""
    args: tuple[str, ...] = ()
    seed: int | None = None
    """None for what seeds itself."""

    @property
    def is_test(self) -> bool:
        """Whether it is a test of pytest, or a call in one: no other target has such a name."""
        return TEST in self.name


@dataclass(frozen=True, slots=True)
class Block:
    """The values that one target left in one environment."""

    target: LockedTarget
    environment: dict[str, str]
    """What its bits depend on; they hold nowhere else. In a fixed order."""
    noted: dict[str, str]
    """What they may depend on as well; told where they differ."""
    level: Level
    steps: int
    """Number of steps that the entries are of."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """All that one lock file has: any number of targets, each in any number of environments."""

    digest: str
    """Name and version of the digests' algorithm."""
    blocks: tuple[Block, ...] = ()
