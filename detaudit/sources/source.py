"""What a source of nondeterminism is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from detaudit.sources.taps import Taps


@dataclass(frozen=True, slots=True)
class Variation:
    """One change that a user may rightly expect not to matter."""

    amount: str
    """How much is changed, as a tap asks for it: `reversed`."""
    words: str
    """The same in a sentence: "files listed in reverse order"."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that bring it about from outside."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source of nondeterminism: how it is observed, held fixed, and made to vary."""

    name: str
    """The control's name in results: `numpy-random`."""
    words: str
    """The same in a sentence: "numpy's random generators"."""
    causes: tuple[str, ...]
    """Labels of the causes that it can lead to; each has a page."""
    tap: Callable[[Taps], None] | None = None
    """Puts the taps in place that observe it, and hold it if the run asks for that."""
    held_by: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that hold it fixed from outside."""
    varied_by: tuple[Variation, ...] = ()
    """How it is made to vary; empty where it cannot be, or varies from run to run anyway."""

    def variation(self, amount: str) -> Variation:
        """Look a variation up by its amount."""
        return next(one for one in self.varied_by if one.amount == amount)
