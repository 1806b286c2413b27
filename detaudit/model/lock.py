"""The nouns of a lock: what a run left, in as few values as a review can look at.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.model.sketch import Sketch
from detaudit.model.trace import Phase

BEFORE = -1
"""The step of what was there before the first one: the initial weights."""


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
    """16 bytes over all of it."""
    sketch: Sketch | None
    """None where it holds no floating-point numbers."""

    @property
    def identity(self) -> tuple[int, str, str, str]:
        """What the same thing has in common in two runs."""
        return self.step, self.phase.value, self.layer, self.what
