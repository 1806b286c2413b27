"""Find the sources that explain every difference, by holding them fixed, the likeliest first.

After a source is found, the search goes on behind it, with it held fixed, until the runs are equal. Then
every source found has to be needed: with all but it held fixed, the runs must differ again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from detaudit.compare.enough_runs import DOUBT, DOUBT_IF_UNSEEN, pairs_needed
from detaudit.diagnose.leftover_files import picked_up
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.suspects import Suspect, suspects
from detaudit.diagnose.trials import Laboratory, SourceTrial, bearable
from detaudit.diagnose.trials import needed as needed_of
from detaudit.diagnose.zoom import FURTHER_STEPS, Closer, look_closer, name_racing_operator
from detaudit.model.ledger import EntryPair
from detaudit.model.plan import Intervention
from detaudit.model.result import Comparison, Divergence, DivergenceKind
from detaudit.model.trace import Phase
from detaudit.sources.catalogue import SOURCES
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.source import Source

TRIED_ALONE = 3
"""The number of suspects that are tried alone before all are held fixed at once."""
MOST_FAULTS = 6
PHASES = list(Phase)


@dataclass(slots=True)
class SourceFault:
    """A source that was found guilty, and what was seen of it."""

    source: Source
    closer: Closer
    """A closer look at the difference that the fault explains."""
    comparison: Comparison
    pairs: tuple[EntryPair, ...]
    """The entries of the source in the two ledgers."""
    all_pairs: tuple[EntryPair, ...]
    without: tuple[int, int]
    """Equal pairs and all pairs of runs with all other found sources held fixed, but not this source."""

    def likely_line(self) -> bytes:
        """Give the key of the line that would be named."""
        site = name_of(self).site
        return next((pair.entry.site_key for pair in self.pairs if pair.entry.site == site), b"")

    def keep_lines(self, keys: Sequence[bytes]) -> None:
        """Forget what the ledgers have of other lines."""
        self.pairs = tuple(pair for pair in self.pairs if pair.entry.site_key in keys)

    def observed(self, whole: tuple[EntryPair, ...]) -> Observation:
        """Put together what the source needs to name the fault; `whole` as in `Observation`."""
        return Observation(self.closer.parting.finding(), self.comparison, self.pairs, self.all_pairs, whole)


def name_of(fault: SourceFault, whole: tuple[EntryPair, ...] = ()) -> Naming:
    """Name a fault; `whole` as in `Observation`."""
    seen, name = fault.observed(whole), fault.source.name_fault
    return seen.name_bare(fault.source.causes[0]) if name is None else name(seen)


@dataclass(slots=True)
class Search:
    """The state of a search."""

    laboratory: Laboratory
    amounts: dict[str, str] = field(default_factory=dict)
    """The amount at which a source is held fixed, for sources that have an amount."""
    faults: list[SourceFault] = field(default_factory=list)
    settled: SourceTrial | None = None
    """The last trial: runs with all found sources held fixed, and nothing else, are equal."""
    failures: list[str] = field(default_factory=list)

    def run(self, closer: Closer, comparison: Comparison, differing: int, pairs: int) -> None:
        """Search until the runs are equal, or nothing is left to try."""
        while self.settled is None and len(self.faults) < MOST_FAULTS:
            following = self._next(closer, comparison, differing, pairs)
            if following is None or self.settled is not None:
                break
            comparison, differing, pairs = following, 1, 1
            closer = look_closer(self.laboratory.case, Parting(comparison, 1, 1), None, self._held())
            differing, pairs = closer.parting.differs, closer.parting.pairs
        if self.settled is not None and len(self.faults) > 1:
            self._drop_needless()
        for fault in self.faults:
            if fault.source.names_operator and fault.closer.parting.origin.op is None:
                others = tuple(self._hold(one.source) for one in self.faults if one is not fault)
                case = self.laboratory.case
                fault.closer = name_racing_operator(case, fault.closer, fault.comparison, others)

    def _next(self, closer: Closer, comparison: Comparison, differing: int, pairs: int) -> Comparison | None:
        """Find the source of one difference; give the difference that is left when it is held, if any."""
        # Without a difference in the runs with a ledger, its entries have no place before or behind one.
        seen = closer.comparison or comparison
        ordered = closer.comparison is not None
        self.laboratory.leftovers |= picked_up(closer.ledgers, self.laboratory.case.started)
        self.laboratory.operations |= {pair.entry.operation for pair in closer.ledgers}
        found = suspects(seen, list(closer.ledgers), self.laboratory.leftovers, ordered=ordered)
        if self.laboratory.case.steady:
            found = [one for one in found if not one.acts_by_chance]
        ranked = [one for one in found if one.source.name not in self._names()]
        needed = pairs_needed(differing, pairs)
        for suspect in ranked[:TRIED_ALONE]:
            doubt = DOUBT if suspect.was_seen else DOUBT_IF_UNSEEN
            likely = suspect is ranked[0] and suspect.was_seen
            trial = self._try(suspect, pairs_needed(differing, pairs, doubt), likely=likely)
            if trial.failed is not None:
                self.failures.append(trial.failed)
                continue
            if trial.settled:
                self._found(suspect, closer, comparison, (pairs - differing, pairs))
                self.settled = trial
                return None
            # Where the runs part anyway at one place or another, parting elsewhere says nothing, and of a
            # source that was not seen at work too little.
            always = differing == pairs and suspect.was_seen
            if always and trial.different is not None and moved(comparison.first, trial.different.first):
                self._found(suspect, closer, comparison, (pairs - differing, pairs))
                return trial.different
        following = self._all_at_once(ranked, closer, comparison, (pairs - differing, pairs), needed)
        if following is None and self.settled is None and ranked and ranked[0].source.may_escape:
            # What threads and processes wait for among themselves cannot always be put in order.
            self._found(ranked[0], closer, comparison, (pairs - differing, pairs))
            if closer.comparison is None:
                self._take_from_trials(self.faults[-1])
        return following

    def _take_from_trials(self, fault: SourceFault) -> None:
        """Where the runs that were looked at closely agree, a trial that differs has the ledgers to go by."""
        seen = next((one for one in self.laboratory.trials if one.different is not None), None)
        if seen is not None and seen.different is not None:
            fault.comparison, fault.all_pairs = seen.different, seen.ledgers

    def _try(self, suspect: Suspect, needed: int, *, likely: bool) -> SourceTrial:
        """Hold one more source; once more by another amount, if a run did not end well (a clock too fast)."""
        source = suspect.source
        why = "seen at work" if suspect.was_seen else "it may act without being seen"
        trial = self.laboratory.hold(self._held(source), needed, why, likely=likely)
        if trial.failed is None or source.gentler is None:
            return trial
        self.amounts[source.name] = source.gentler(self.amounts.get(source.name, ""))
        return self.laboratory.hold(self._held(source), needed, "again, more gently")

    def _all_at_once(
        self,
        ranked: list[Suspect],
        closer: Closer,
        comparison: Comparison,
        without: tuple[int, int],
        needed: int,
    ) -> Comparison | None:
        """Hold everything; if the runs are equal then, find by halving what is needed for that.

        Gives the difference that is left behind those that were found, if there is one.
        """
        suspected = [one.source for one in ranked if not one.source.last_resort]
        known = {*self._names(), *(source.name for source in suspected)}
        rest = [one for one in SOURCES if one.name not in known and not one.last_resort]
        steps = enough_steps(comparison)

        def hold(sources: Sequence[Source], why: str) -> SourceTrial:
            return self.laboratory.hold(self._held(*sources), 1, why, steps)

        held, failing, trial = bearable([*suspected, *rest], hold)
        if failing:
            words = " and ".join(one.words for one in failing)
            self.failures.append(f"{words} could not be held fixed: the program then fails")
        if not trial.settled:
            self.failures.append(
                trial.failed or "the runs still differ with every source held fixed that can be held"
            )
            return None
        guilty = needed_of(held, hold)
        trial = self.laboratory.hold(self._held(*guilty), needed, "the proof", likely=True)
        later = trial.different is not None and moved(comparison.first, trial.different.first)
        if not trial.settled and not later:
            self.failures.append(
                trial.failed
                or "with every source held fixed, the first runs were equal, and later runs were not"
            )
            return None
        by_name = {one.source.name: one for one in ranked}
        for source in guilty:
            self._found(by_name.get(source.name, Suspect(source, 0, ())), closer, comparison, without)
        if trial.settled:
            self.settled = trial
        return trial.different

    def _found(
        self, suspect: Suspect, closer: Closer, comparison: Comparison, without: tuple[int, int]
    ) -> None:
        fault = SourceFault(suspect.source, closer, comparison, suspect.pairs, closer.ledgers, without)
        self.faults.append(fault)

    def _drop_needless(self) -> None:
        """Let go of each source in turn: the runs must differ again, or it was innocent."""
        for fault in list(self.faults):
            others = tuple(self._hold(one.source) for one in self.faults if one is not fault)
            if not others:
                return
            # That they are equal without it must be no chance either, or a fault would be lost.
            equal, pairs = fault.without
            why = f"is {fault.source.words} needed?"
            trial = self.laboratory.hold(others, pairs_needed(pairs - equal, pairs), why)
            if trial.settled:
                self.faults.remove(fault)
                self.settled = trial
            elif trial.different is not None:
                fault.without = (trial.equal, trial.pairs)
                self._look_at_it_alone(fault, others, trial.different, trial.ledgers)

    def _look_at_it_alone(
        self,
        fault: SourceFault,
        others: tuple[Intervention, ...],
        different: Comparison,
        ledgers: tuple[EntryPair, ...],
    ) -> None:
        """With all others held fixed, what is left of the difference is this fault's own."""
        parting = Parting(different, 1, 1)
        fault.closer = replace(fault.closer, parting=replace(fault.closer.parting, scope=parting.reach))
        if fault.source.names_operator:
            fault.comparison = different
            fault.closer = look_closer(self.laboratory.case, parting, None, others)
            return
        found = suspects(different, list(ledgers), self.laboratory.leftovers)
        pairs = next((one.pairs for one in found if one.source.name == fault.source.name), ())
        if pairs:
            fault.comparison, fault.pairs, fault.all_pairs = different, pairs, ledgers
            fault.closer = replace(fault.closer, parting=parting)

    def divide(self, fault: SourceFault, lines: Sequence[bytes]) -> None:
        """Put a fault for each of these lines in the place of one fault: each line has a fix of its own."""
        apart = [replace(fault) for _ in lines]
        for one, line in zip(apart, lines, strict=True):
            one.keep_lines([line])
        at = self.faults.index(fault)
        self.faults[at : at + 1] = apart

    def hold_lines(
        self, fault: SourceFault, lines: Sequence[bytes], why: str, steps: int | None
    ) -> SourceTrial:
        """Hold the source of a fault at some lines alone, and all other faults' sources as a whole."""
        others = (self._hold(one.source) for one in self.faults if one is not fault)
        sites = tuple(sorted(line.hex() for line in lines))
        here = replace(self._hold(fault.source), sites=sites)
        return self.laboratory.hold((here, *others), 1, why, steps)

    def _names(self) -> set[str]:
        return {fault.source.name for fault in self.faults}

    def _held(self, *more: Source) -> tuple[Intervention, ...]:
        return tuple(self._hold(source) for source in (*(fault.source for fault in self.faults), *more))

    def _hold(self, source: Source) -> Intervention:
        return Intervention(source.name, amount=self.amounts.get(source.name, ""))


def enough_steps(comparison: Comparison) -> int | None:
    """Give the steps after which a run has shown whether it differs, if it differs in each; None: all."""
    first = comparison.first
    if first is None or first.kind is not DivergenceKind.VALUE:
        return None
    return first.step + 1 + FURTHER_STEPS


def moved(old: Divergence | None, new: Divergence | None) -> bool:
    """Whether runs part later than before: what was held had a part in the earlier difference."""
    if old is None or new is None:
        return False
    if new.step != old.step:
        return new.step > old.step
    ours, theirs = old.event.place, new.event.place
    if ours.phase is not theirs.phase:
        return PHASES.index(theirs.phase) > PHASES.index(ours.phase)
    return ours != theirs and (new.event.sequence > old.event.sequence)
