"""Collect the events of one thread, packed as they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from detaudit.digest.algorithm import Digest, joined, now
from detaudit.model.trace import Phase
from detaudit.trace.layout import NO_SITE

if TYPE_CHECKING:
    from torch import nn

    from detaudit.record.names import ModuleName

ModuleOwner: TypeAlias = tuple[str, str | None, bytes]
"""The owner of an operator: root label, module path, site."""

NOBODY: ModuleOwner = ("", None, NO_SITE)

PART_EVENTS = 20_000
"""A step with more events than this is written in parts, so that memory stays bounded."""


@dataclass(slots=True)
class OpenCall:
    """A module call under way."""

    module: nn.Module
    name: ModuleName
    phase: Phase
    inputs: Digest | None
    site: bytes
    frame: int
    """The `id` of torch's frame that makes the call: on the stack as long as the call is under way."""
    passed_on: bool = False
    """Whether a compiled module passed the call on to the module inside: both calls count as a single one."""


class StreamState:
    """Events of one thread in the current step, and the thread's position in the training."""

    __slots__ = (
        "backward_depth",
        "backwards_since_step",
        "calls",
        "gradients_seen",
        "identity",
        "in_optimizer",
        "inner",
        "is_side",
        "label",
        "number",
        "owners",
        "part",
        "roots_since_step",
        "sequences",
        "sites",
        "step",
        "step_site",
    )

    def __init__(self, number: int, label: str) -> None:
        self.number = number
        self.label = label
        """The thread's name, the same in every run; `main` for the main thread of its process."""
        self.is_side = label != "main"
        """Whether this is not the main thread of its process."""
        self.step = 0
        self.part = 0
        self.identity: list[Digest] = []
        """Place key, inputs digest, outputs digest of each event, in turn."""
        self.sites: list[bytes] = []
        self.sequences: list[int] = []
        self.calls: list[OpenCall] = []
        """Module calls under way, the innermost last; at level `step` the outermost alone."""
        self.inner: list[nn.Module] = []
        """At level `step`, the modules whose calls are under way within it."""
        self.backward_depth = 0
        self.backwards_since_step = 0
        self.gradients_seen = 0
        """Gradients that arrived at known parameters in the last backward pass."""
        self.in_optimizer = 0
        self.step_site: bytes | None = None
        """The line of all operators of the optimizer step under way, where it runs torch's code alone."""
        self.owners: dict[int, ModuleOwner] = {}
        """The owner of the forward operator of each graph node in this step, by the node's sequence
        number."""
        self.roots_since_step: dict[str, None] = {}
        """Labels of the outermost modules called since the last step."""

    def take(self) -> tuple[bytes, bytes, list[int]]:
        """Return the notes on the events (identities, sites, sequence numbers) and start afresh."""
        taken = now(joined(self.identity, bytes)), b"".join(self.sites), self.sequences
        self.identity.clear()
        self.sites.clear()
        self.sequences = []
        return taken
