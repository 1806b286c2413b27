"""Trials: run a program with some sources held fixed, compare the runs, and narrow down which are needed.

Narrowing is group testing: with all candidates held the runs are equal. Dividing finds a smallest set with
which they still are, in a number of trials that grows with the logarithm of the number of sources
(QuickXplain: Junker, AAAI 2004).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TypeVar

from detaudit.compare.compare import compare
from detaudit.compare.result import why_unverified
from detaudit.compare.scope import narrowed
from detaudit.diagnose.case import Case
from detaudit.diagnose.leftover_files import same_files
from detaudit.diagnose.suspects import pair_ledgers
from detaudit.model.ledger import EntryPair
from detaudit.model.plan import Intervention, RunOutcome
from detaudit.model.result import Comparison
from detaudit.model.trace import Level
from detaudit.sources import leftovers
from detaudit.sources.catalogue import BY_NAME
from detaudit.trace.reader import TraceReader


@dataclass(frozen=True, slots=True)
class SourceTrial:
    """The result of one trial."""

    held: tuple[Intervention, ...]
    pairs: int
    equal: int
    different: Comparison | None = None
    """The first pair that differs; None if all agree."""
    ledgers: tuple[EntryPair, ...] = ()
    """The ledgers of that pair, or of the first one."""
    failed: str | None = None
    """The reason why the trial shows nothing; None if it shows something."""

    @property
    def settled(self) -> bool:
        """Whether all pairs were equal."""
        return self.failed is None and self.different is None


@dataclass(slots=True)
class Laboratory:
    """Carries out trials on one case, and counts what they cost."""

    case: Case
    folders: str = "trial"
    """The beginning of the names of the trials' folders."""
    trials: list[SourceTrial] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)
    """The operations that the ledgers have."""
    leftovers: frozenset[str] = frozenset()
    """Files that earlier runs of the audit left and later ones picked up."""

    def hold(
        self,
        held: tuple[Intervention, ...],
        pairs: int,
        why: str = "a suspect",
        steps: int | None = None,
        *,
        likely: bool = False,
    ) -> SourceTrial:
        """Run until a pair differs, or `pairs` pairs were equal; every run is compared with the first.

        `why` says it to the user. `steps`: where the runs may end earlier than those of the plan. `likely`:
        whether the runs will be equal, so that all may as well go side by side at once.
        """
        known = self._known_to_differ(held)
        if known is not None:
            return known
        if self.case.budget.is_spent:
            words = f"the search was ended after {self.case.budget.in_words()}"
            return SourceTrial(held, 0, 0, failed=words)
        self.case.announce(f"holding {in_words(held)} fixed", why)
        at_once = pairs + 1 if likely and self.case.side_by_side > 1 else 2
        trial = self._carried_out(held, pairs, steps, at_once)
        if trial.failed is not None and self.case.run_one_by_one():
            # They may have failed because they met: in a file, or at a port.
            trial = self._carried_out(held, pairs, steps, at_once)
        if trial.settled and trial.pairs < pairs:
            words = (
                f"{trial.pairs} of {pairs} pairs were equal when {self.case.budget.in_words()} had been made"
            )
            trial = replace(trial, failed=words)
        self.trials.append(trial)
        return trial

    def _known_to_differ(self, held: tuple[Intervention, ...]) -> SourceTrial | None:
        """Find an earlier trial with the same sources held in which the runs differed: they still would."""
        same = (one for one in self.trials if set(one.held) == set(held))
        return next((one for one in same if one.failed is None and one.different is not None), None)

    def _carried_out(
        self, held: tuple[Intervention, ...], pairs: int, steps: int | None, at_once: int
    ) -> SourceTrial:
        folder = f"{self.folders}{len(self.trials)}-{self.case.budget.runs}"
        with ExitStack() as stack:
            outcomes = self._run(held, folder, self._affordable(at_once), steps)
            trial = self._judge(stack, held, outcomes)
            more = pairs + 1 - len(outcomes)
            if trial.settled and more > 0 and not self.case.budget.is_spent:
                further = self._run(held, f"{folder}-more", self._affordable(more), steps, later=True)
                trial = self._judge(stack, held, [outcomes[0], *further], before=trial.pairs)
        return trial

    def _affordable(self, runs: int) -> int:
        left = self.case.budget.runs_left
        return runs if left is None else max(1, min(runs, left))

    def _run(
        self,
        held: tuple[Intervention, ...],
        folder: str,
        runs: int,
        steps: int | None,
        *,
        later: bool = False,
    ) -> list[RunOutcome]:
        if leftovers.NAME not in {one.source for one in held} or not self.leftovers:
            meets = any(BY_NAME[one.source].alike_outside & self.operations for one in held)
            return self.case.run_again(
                folder,
                runs=runs,
                level=Level.LAYER,
                steps=steps,
                held=held,
                ledger=True,
                later=later,
                jobs=1 if meets else None,
            )
        outcomes = []
        self.case.run_one_by_one()
        with same_files(self.leftovers, self.case.started, self.case.folder / f"{folder}-files") as files:
            for number in range(runs):
                files.reset()
                name = f"{folder}-{number}"
                after_first = later or number > 0
                outcomes += self.case.run_again(
                    name, runs=1, level=Level.LAYER, steps=steps, held=held, ledger=True, later=after_first
                )
        return outcomes

    def _judge(
        self, stack: ExitStack, held: tuple[Intervention, ...], outcomes: list[RunOutcome], before: int = 0
    ) -> SourceTrial:
        failed = next((one for one in outcomes if not one.ended_well), None)
        if failed is not None:
            return SourceTrial(
                held,
                before,
                before,
                failed=f"a run with them held fixed did not end well ({failed.exit_code})",
            )
        readers = [stack.enter_context(TraceReader(one.trace)) for one in outcomes if one.trace is not None]
        comparisons = [narrowed(compare(readers[0], reader), self.case.asked) for reader in readers[1:]]
        unverified = why_unverified({str(n): one for n, one in enumerate(readers, 1)}, comparisons)
        if unverified is not None and all(one.equal for one in comparisons):
            return SourceTrial(held, before, before, failed=unverified)
        equal = sum(one.equal for one in comparisons)
        trial = SourceTrial(held, before + len(comparisons), before + equal)
        for reader, comparison in zip(readers[1:], comparisons, strict=True):
            if not comparison.equal:
                ledgers = tuple(pair_ledgers(readers[0], reader))
                return replace(trial, different=comparison, ledgers=ledgers)
        return replace(trial, ledgers=tuple(pair_ledgers(readers[0], readers[1])))


def in_words(held: tuple[Intervention, ...]) -> str:
    """Name what is held: the first source, and how many more there are."""
    names = [BY_NAME[one.source].words for one in held]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


Held = TypeVar("Held")
"""A thing that is held fixed: a source, or a line of a source."""
Hold = Callable[[Sequence[Held], str], SourceTrial]
"""Holds some sources or lines fixed, and tells the user the reason."""

DIVIDING = "which of them is it?"
DROPPING = "one of them makes the program fail"


def needed(candidates: Sequence[Held], hold: Hold[Held]) -> list[Held]:
    """Find the sources that must be held for the runs to be equal; the likeliest candidates stand first.

    With all candidates held, the runs were equal.
    """
    return _needed([], [], list(candidates), hold)


def _needed(fixed: list[Held], added: list[Held], candidates: list[Held], hold: Hold[Held]) -> list[Held]:
    """Find what is needed of the candidates beside what is fixed, to which `added` has come last."""
    if added and hold(fixed, DIVIDING).settled:
        return []
    if len(candidates) == 1:
        return candidates
    middle = (len(candidates) + 1) // 2
    likelier, rest = candidates[:middle], candidates[middle:]
    of_rest = _needed([*fixed, *likelier], likelier, rest, hold)
    of_likelier = _needed([*fixed, *of_rest], of_rest, likelier, hold)
    return [*of_likelier, *of_rest]


def bearable(candidates: Sequence[Held], hold: Hold[Held]) -> tuple[list[Held], list[Held], SourceTrial]:
    """Leave out the sources that make the program fail when they are held.

    Gives those that can be held, those that cannot, and the trial with all that can.
    """
    trial = hold(candidates, "all at once: is it any of them?")
    if trial.failed is None:
        return list(candidates), [], trial
    failing = [one for half in _halves(candidates) for one in _failing(half, hold)]
    left = [one for one in candidates if one not in failing]
    if not failing or not left:
        return left, failing, trial
    return left, failing, hold(left, "all at once, but for those that make the program fail")


def _failing(candidates: Sequence[Held], hold: Hold[Held]) -> list[Held]:
    if not candidates or hold(candidates, DROPPING).failed is None:
        return []
    if len(candidates) == 1:
        return list(candidates)
    return [one for half in _halves(candidates) for one in _failing(half, hold)]


def _halves(candidates: Sequence[Held]) -> tuple[Sequence[Held], Sequence[Held]]:
    middle = (len(candidates) + 1) // 2
    return candidates[:middle], candidates[middle:]
