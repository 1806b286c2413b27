"""What a source of nondeterminism is made of. A file that defines one is all that it takes to add one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from detaudit.model.cause import Cause
from detaudit.model.ledger import EntryPair
from detaudit.sources.changes import ChangeNamer, name_last
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.suspicion import Suspicion
from detaudit.sources.taps import Taps


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One change that a user may rightly expect not to matter."""

    amount: str
    """How much is changed, as a tap asks for it: `reversed`."""
    words: str
    """The same in a sentence: "files listed in reverse order"."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that bring it about from outside."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the runs went that were made without any control."""

    seconds: float
    """Wall time of the longest run."""
    shortest: float
    """Wall time of the shortest run."""
    steps: int
    """Steps that the longest run completed."""
    pairs: tuple[EntryPair, ...]
    """The ledger of two runs; it may end behind the first steps."""


@dataclass(frozen=True, slots=True)
class Source:
    """One source of nondeterminism: how it is seen, suspected, held fixed, perturbed, named and mended."""

    name: str
    """The control's name in results: `numpy-random`."""
    words: str
    """The same in a sentence: "numpy's random generators"."""
    causes: tuple[Cause, ...]
    """The causes that it can lead to, the most usual first."""
    tap: Callable[[Taps], None] | None = None
    """Puts the taps in place that observe it, and hold it if the run asks for that."""
    suspicion: Suspicion | None = None
    """When it is suspected; None for a source that is held only where a search asks for it by name."""
    name_fault: Callable[[Observation], Naming] | None = None
    """Gives a fault of this source its cause, its line and its words."""

    held_by: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that hold it fixed from outside."""
    amount: Callable[[Pace], str] | None = None
    """At which amount it is held, where that depends on the program."""
    gentler: Callable[[str], str] | None = None
    """Another amount to try, where a run with the first one did not end well."""
    held_by_line: bool = False
    """Whether it can be held at single lines, so that the guilty one of several can be proved."""
    names_operator: bool = False
    """Whether a fault of this source lies in an operator, which a closer look can name."""
    last_resort: bool = False
    """Whether another source holds the same more gently, so that this one is tried by itself alone."""
    may_escape: bool = False
    """Whether runs can differ although it is held: then it is named all the same, not confirmed."""

    perturbed_by: tuple[Perturbation, ...] = ()
    """How it is perturbed; empty where it cannot be, or varies from run to run anyway."""
    asked_through: tuple[str, ...] = ()
    """Sources of which the ledger must have entries, or the program does not ask for what is changed."""
    covers: str = ""
    """What plain runs leave alone and the perturbation changes, in the words of the result's `not_varied`."""
    applicable: Callable[[Mapping[str, object]], tuple[str, ...]] | None = None
    """The amounts that change something in a run with this environment; None: all of them."""
    is_setting: bool = False
    """Whether the numbers may rightly differ with it, so that a difference is no fault."""
    shows_in_operators: bool = False
    """Whether the line is only known from a run that records every operator."""
    name_change: ChangeNamer = name_last
    """Names the cause and the line of a change that changes the numbers."""

    def perturbation(self, amount: str) -> Perturbation:
        """Look a perturbation up by its amount."""
        return next(one for one in self.perturbed_by if one.amount == amount)

    def perturbations_in(self, environment: Mapping[str, object]) -> tuple[Perturbation, ...]:
        """Select the perturbations that change something in a run with this environment."""
        if self.applicable is None:
            return self.perturbed_by
        return tuple(self.perturbation(amount) for amount in self.applicable(environment))
