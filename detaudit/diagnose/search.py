"""Find the sources that explain every difference, by holding them fixed, the likeliest first.

After a source is found, the search goes on behind it, with it held fixed, until the runs are equal. Then
every source found has to be needed: with all but it held fixed, the runs must differ again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from detaudit.compare.ledgers import EntryPair
from detaudit.compare.result import finding_from
from detaudit.diagnose.chance import DOUBT, DOUBT_IF_UNSEEN, pairs_needed
from detaudit.diagnose.leftover_files import picked_up
from detaudit.diagnose.suspects import BY_CHANCE, Suspect, suspects
from detaudit.diagnose.trials import Laboratory, Trial
from detaudit.diagnose.zoom import Closer, look_closer, name_racing_operator
from detaudit.model.plan import Intervention
from detaudit.model.result import Comparison, Divergence
from detaudit.model.trace import Phase
from detaudit.sources import clock, completion, kernels, threads
from detaudit.sources.catalogue import SOURCES

TRIED_ALONE = 3
"""How many suspects are tried on their own before all are held at once."""
MOST_FAULTS = 6
SLOWER = 30
"""By how much the held clock is slowed down where a program sees its time run out."""
KERNELS = frozenset({kernels.NAME, kernels.ONE_THREAD})
BEYOND_CONTROL = frozenset({threads.NAME, completion.NAME})
"""Sources that are named, unconfirmed, where all speaks for them and holding them fixed does not help."""

PHASES = list(Phase)


@dataclass(slots=True)
class Fault:
    """A source that was found guilty, and what was seen of it."""

    source: str
    closer: Closer
    """The difference that it explains, looked at closely."""
    comparison: Comparison
    pairs: tuple[EntryPair, ...]
    """What the ledgers have of the source."""
    all_pairs: tuple[EntryPair, ...]
    without: tuple[int, int]
    """Pairs that are equal, and all pairs, where everything else that was found is held, and not this."""
    confirmed: bool = False


@dataclass(slots=True)
class Search:
    """The state of a search."""

    laboratory: Laboratory
    amounts: dict[str, str] = field(default_factory=dict)
    """At which amount a source is held, where that matters."""
    faults: list[Fault] = field(default_factory=list)
    settled: Trial | None = None
    """The last word: runs with all found sources held fixed, and nothing else, are equal."""
    failures: list[str] = field(default_factory=list)

    def run(self, closer: Closer, comparison: Comparison, differing: int, pairs: int) -> None:
        """Search until the runs are equal, or nothing is left to try."""
        while self.settled is None and len(self.faults) < MOST_FAULTS:
            following = self._next(closer, comparison, differing, pairs)
            if following is None or self.settled is not None:
                break
            comparison, differing, pairs = following, 1, 1
            finding = finding_from(comparison, differs=1, pairs=1)
            closer = look_closer(self.laboratory.case, finding, comparison, None, self._held())
            differing, pairs = closer.finding.rate["differs"], closer.finding.rate["pairs"]
        if self.settled is not None and len(self.faults) > 1:
            self._drop_needless()
        for fault in self.faults:
            if fault.source in KERNELS and fault.closer.finding.origin.op is None:
                others = tuple(self._hold(one.source) for one in self.faults if one is not fault)
                case = self.laboratory.case
                fault.closer = name_racing_operator(case, fault.closer, fault.comparison, others)

    def _next(self, closer: Closer, comparison: Comparison, differing: int, pairs: int) -> Comparison | None:
        """Find the source of one difference; give the difference that is left when it is held, if any."""
        # Without a difference in the runs with a ledger, its entries have no place before or behind one.
        seen = closer.comparison or comparison
        ordered = closer.comparison is not None
        self.laboratory.leftovers |= picked_up(closer.ledgers, self.laboratory.case.started)
        found = suspects(seen, list(closer.ledgers), self.laboratory.leftovers, ordered=ordered)
        if self.laboratory.case.steady:
            found = [one for one in found if one.was_seen or one.source not in BY_CHANCE]
        ranked = [one for one in found if one.source not in self._names()]
        needed = pairs_needed(differing, pairs)
        for suspect in ranked[:TRIED_ALONE]:
            doubt = DOUBT if suspect.was_seen else DOUBT_IF_UNSEEN
            trial = self._try(suspect.source, pairs_needed(differing, pairs, doubt))
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
            if always and trial.different is not None and _moved(comparison.first, trial.different.first):
                self._found(suspect, closer, comparison, (pairs - differing, pairs))
                return trial.different
        self._all_at_once(ranked, closer, comparison, (pairs - differing, pairs), needed)
        if self.settled is None and ranked and ranked[0].source in BEYOND_CONTROL:
            # What threads and processes wait for among themselves cannot always be put in order.
            self._found(ranked[0], closer, comparison, (pairs - differing, pairs))
            if closer.comparison is None:
                self._take_from_trials(self.faults[-1])
        return None

    def _take_from_trials(self, fault: Fault) -> None:
        """Where the runs that were looked at closely agree, a trial that differs has the ledgers to go by."""
        seen = next((one for one in self.laboratory.trials if one.different is not None), None)
        if seen is not None and seen.different is not None:
            fault.comparison, fault.all_pairs = seen.different, seen.ledgers

    def _try(self, source: str, needed: int) -> Trial:
        """Hold one more source; once more with a slower clock, if the run was over before it began."""
        trial = self.laboratory.hold(self._held(source), needed)
        if trial.failed is None or source != clock.NAME:
            return trial
        self.amounts[source] = repr(float(self.amounts.get(source) or clock.TICK) / SLOWER)
        return self.laboratory.hold(self._held(source), needed)

    def _all_at_once(
        self,
        ranked: list[Suspect],
        closer: Closer,
        comparison: Comparison,
        without: tuple[int, int],
        needed: int,
    ) -> None:
        """Hold everything; if the runs are equal then, let go of one after the other that is not needed."""
        suspected = [one.source for one in ranked if one.source != kernels.ONE_THREAD]
        rest = [
            one.name for one in SOURCES if one.name not in {*suspected, *self._names(), kernels.ONE_THREAD}
        ]
        trial = self.laboratory.hold(self._held(*suspected, *rest), 1)
        if not trial.settled:
            self.failures.append(
                trial.failed or "with everything held fixed that can be, the runs still differ"
            )
            return
        names = [*suspected, *rest]
        # Those that nothing speaks against go together; then one after the other, the likeliest last.
        unlikely = [one.source for one in ranked if not one.pairs and one.source in suspected]
        groups = [[*rest, *unlikely], *([name] for name in reversed(suspected) if name not in unlikely)]
        while groups:
            group = groups.pop(0)
            fewer = [name for name in names if name not in group]
            if not fewer:
                continue
            attempt = self.laboratory.hold(self._held(*fewer), 1)
            if attempt.settled:
                names, trial = fewer, attempt
            elif len(group) > 1:
                # One of them is guilty: the innocent half can go.
                middle = len(group) // 2
                groups = [group[:middle], group[middle:], *groups]
        if trial.pairs < needed:
            trial = self.laboratory.hold(self._held(*names), needed)
        if not trial.settled:
            self.failures.append("the runs were equal for a while with everything held fixed, and then not")
            return
        by_name = {one.source: one for one in ranked}
        for name in names:
            self._found(by_name.get(name, Suspect(name, 0, ())), closer, comparison, without)
        self.settled = trial

    def _found(
        self, suspect: Suspect, closer: Closer, comparison: Comparison, without: tuple[int, int]
    ) -> None:
        fault = Fault(suspect.source, closer, comparison, suspect.pairs, closer.ledgers, without)
        self.faults.append(fault)

    def _drop_needless(self) -> None:
        """Let go of each source in turn: the runs must differ again, or it was innocent."""
        for fault in list(self.faults):
            others = tuple(self._hold(one.source) for one in self.faults if one is not fault)
            if not others:
                return
            # That they are equal without it must be no chance either, or a fault would be lost.
            equal, pairs = fault.without
            trial = self.laboratory.hold(others, pairs_needed(pairs - equal, pairs))
            if trial.settled:
                self.faults.remove(fault)
                self.settled = trial
            elif trial.different is not None:
                fault.without = (trial.equal, trial.pairs)
                self._look_at_it_alone(fault, others, trial.different, trial.ledgers)

    def _look_at_it_alone(
        self,
        fault: Fault,
        others: tuple[Intervention, ...],
        different: Comparison,
        ledgers: tuple[EntryPair, ...],
    ) -> None:
        """With all others held fixed, what is left of the difference is this fault's own."""
        finding = finding_from(different, differs=1, pairs=1)
        alone = replace(fault.closer.finding, scope=finding.scope)
        fault.closer = replace(fault.closer, finding=alone)
        if fault.source in KERNELS:
            fault.comparison = different
            fault.closer = look_closer(self.laboratory.case, finding, different, None, others)
            return
        found = suspects(different, list(ledgers), self.laboratory.leftovers)
        pairs = next((one.pairs for one in found if one.source == fault.source), ())
        if pairs:
            fault.comparison, fault.pairs, fault.all_pairs = different, pairs, ledgers
            fault.closer = replace(fault.closer, finding=finding)

    def _names(self) -> set[str]:
        return {fault.source for fault in self.faults}

    def _held(self, *more: str) -> tuple[Intervention, ...]:
        return tuple(self._hold(name) for name in (*(fault.source for fault in self.faults), *more))

    def _hold(self, name: str) -> Intervention:
        return Intervention(name, amount=self.amounts.get(name, ""))


def _moved(old: Divergence | None, new: Divergence | None) -> bool:
    """Whether runs part later than before: what was held had a part in the earlier difference."""
    if old is None or new is None:
        return False
    if new.step != old.step:
        return new.step > old.step
    ours, theirs = old.event.place, new.event.place
    if ours.phase is not theirs.phase:
        return PHASES.index(theirs.phase) > PHASES.index(ours.phase)
    return ours != theirs and (new.event.sequence > old.event.sequence)
