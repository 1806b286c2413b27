"""The nouns of a lock: values that a run left, as few as a review can look at.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.sketch import Sketch
from detaudit.model.trace import Level, Phase

BEFORE = -1
"""The step number of the initial weights, which exist before the first step."""

EXACT = "exact "
"""Begins the name of a value without floating-point numbers (integers, sparse tensors): no tolerance applies
to it."""

VARIES = bytes(16)
"""Stands for the digest of a value that differs between runs but reaches no number (the time of day in a
batch, say)."""


TEST = "::"
"""Separates the parts of a test's name."""


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
    """16-byte digest of the whole value, or `VARIES`."""
    sketch: Sketch | None
    """None if the value has no floating-point numbers."""

    @property
    def identity(self) -> tuple[int, str, str, str]:
        """The identity of the thing, equal in two runs."""
        return self.step, self.phase.value, self.layer, self.what


@dataclass(frozen=True, slots=True)
class LockedTarget:
    """The name by which a lock knows a target."""

    name: str
    """The target's file, relative to the lock's folder, with the callable after a colon; or `-m pkg.mod`, or
    a test."""
    args: tuple[str, ...] = ()
    seed: int | None = None
    """None for a target that seeds itself."""

    @property
    def is_test(self) -> bool:
        """Whether it is a test of pytest, or a call in one: no other target has such a name."""
        return TEST in self.name


@dataclass(frozen=True, slots=True)
class Block:
    """The values that one target left in one environment."""

    target: LockedTarget
    environment: dict[str, str]
    """Facts on which the bits depend, in a fixed order; elsewhere, the digests do not hold."""
    noted: dict[str, str]
    """Further facts on which the bits may depend; a report mentions those that differ."""
    level: Level
    steps: int
    """Number of steps that the entries cover."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """All that one lock file has: any number of targets, each in any number of environments."""

    digest: str
    """Name and version of the digests' algorithm."""
    blocks: tuple[Block, ...] = ()
