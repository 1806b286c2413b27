"""The parts of a source of nondeterminism. To add a source, add a file that defines one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from detaudit.model.cause import Cause
from detaudit.model.ledger import EntryPair
from detaudit.model.result import Divergence
from detaudit.sources.observation import ChangeNamer, Naming, Observation, name_last
from detaudit.sources.taps import Taps

CERTAIN = 100
"""The score of an operator that gives other bits for the same inputs."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One change that a user may rightly expect not to matter."""

    amount: str
    """The size of the change, as a tap asks for it: `reversed`."""
    words: str
    """The change in a sentence: "files listed in reverse order"."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that make the change from outside."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The speed of the runs that were made without any control."""

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
    """The source in a sentence: "numpy's random generators"."""
    causes: tuple[Cause, ...]
    """The causes that the source can lead to, the most usual first."""
    tap: Callable[[Taps], None] | None = None
    """Puts in place the taps that observe the source, and that hold it if the run asks for that."""
    suspicion: Suspicion | None = None
    """Says when the source is suspected; None for a source that is held only where a search names it."""
    name_fault: Callable[[Observation], Naming] | None = None
    """Gives a fault of this source its cause, its line and its words."""

    held_by: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that hold the source fixed from outside."""
    amount: Callable[[Pace], str] | None = None
    """The amount at which the source is held, where that depends on the program."""
    gentler: Callable[[str], str] | None = None
    """Another amount to try, where a run with the first one did not end well."""
    held_by_line: bool = False
    """Whether the source can be held at single lines, so that one guilty line of several can be proved."""
    alike_outside: frozenset[str] = frozenset()
    """Operations that, while they are held, give all runs the same name for something outside of the runs:
    runs side by side would collide there."""
    names_operator: bool = False
    """Whether a fault of this source lies in an operator, which a closer look can name."""
    last_resort: bool = False
    """Whether another source holds the same thing more gently: then this source is only tried alone."""
    may_escape: bool = False
    """Whether runs can differ although the source is held: the source is then named, but not confirmed."""

    perturbed_by: tuple[Perturbation, ...] = ()
    """The perturbations; empty for a source that cannot be perturbed, or that varies in each run anyway."""
    asked_through: tuple[str, ...] = ()
    """Sources that must have entries in the ledger; otherwise the program does not ask for what is
    changed."""
    covers: str = ""
    """The condition that only the perturbation varies, not plain runs, in the words of the result's
    `not_varied`."""
    applicable: Callable[[Mapping[str, object]], tuple[str, ...]] | None = None
    """The amounts that change something in a run with this environment; None: all of them."""
    is_setting: bool = False
    """Whether the numbers may rightly differ with the source, so that a difference is no fault."""
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


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that are known when suspects are ranked."""

    divergence: Divergence
    """The first place at which the two runs part."""
    pairs: tuple[EntryPair, ...]
    """The entries of the ledgers before the divergence, and in other threads near it."""
    picked_up: frozenset[str]
    """Files that an earlier run of the audit left and a later one asks for."""

    def seeds_another(self, pairs: list[EntryPair]) -> bool:
        """Say whether a line of these entries also seeds a generator with a seed that differs in each run."""
        lines = {pair.entry.site_key for pair in self.pairs if pair.is_other_seed}
        return any(pair.entry.site_key in lines for pair in pairs)


Concern = Callable[[EntryPair, Situation], bool]
"""Says whether an entry speaks against a source."""

Adjustment = Callable[[list[EntryPair], Situation], float]
"""Gives what the entries against a source, and the place of the divergence, add to its score."""


def differs(pair: EntryPair, _situation: Situation) -> bool:
    """Accept an entry that gave the two runs something else."""
    return pair.differs


def always(_pair: EntryPair, _situation: Situation) -> bool:
    """Accept every entry: what it notes can differ without being seen."""
    return True


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The score of a source: how likely the source is guilty, to rank it among others."""

    weight: float = 0
    """The score of a source whose entries differ before the runs part."""
    unseen: float = 0
    """The score of a source without entries in the ledger; 0: the source is then not suspected."""
    by_chance: bool = False
    """Whether the source, unseen, makes two runs under equal conditions differ from time to time."""
    concerns: Concern = differs
    """Selects the source's own entries that speak against it."""
    concerns_others: Concern | None = None
    """Selects the entries of other sources that speak against this one; asked first."""
    adjust: Adjustment | None = None
    by_place: Callable[[Divergence], float] | None = None
    """The score that the place of the divergence alone gives; 0: none."""

    def is_concerned(self, source: str, pair: EntryPair, situation: Situation) -> bool:
        """Say whether an entry speaks against the source of this name."""
        if pair.entry.source == source:
            return self.concerns(pair, situation)
        return self.concerns_others is not None and self.concerns_others(pair, situation)

    def score(self, pairs: list[EntryPair], situation: Situation) -> float:
        """Rate the source by its entries; without any, by the place of the divergence, or as unseen."""
        by_ledger = 0.0
        if pairs:
            by_ledger = self.weight + (0 if self.adjust is None else self.adjust(pairs, situation))
        by_place = 0.0 if self.by_place is None else self.by_place(situation.divergence)
        return max(by_ledger, by_place) if pairs or by_place else self.unseen
