"""Trials: run a program with some sources held fixed, and nothing else, and compare the runs."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from detaudit.compare.compare import compare
from detaudit.compare.ledgers import pair_ledgers
from detaudit.compare.result import why_unverified
from detaudit.diagnose.case import Case
from detaudit.diagnose.leftover_files import same_files
from detaudit.model.ledger import EntryPair
from detaudit.model.plan import Intervention, RunOutcome
from detaudit.model.result import Comparison
from detaudit.model.trace import Level
from detaudit.sources import leftovers
from detaudit.sources.catalogue import BY_NAME
from detaudit.trace.reader import TraceReader


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    held: tuple[Intervention, ...]
    pairs: int
    equal: int
    different: Comparison | None = None
    """The first pair that differs; None if all agree."""
    ledgers: tuple[EntryPair, ...] = ()
    """The ledgers of that pair, or of the first one."""
    failed: str | None = None
    """Why the trial says nothing, if that is so."""
    ended_badly: bool = False
    """Whether it says nothing because the program failed in it."""

    @property
    def settled(self) -> bool:
        """Whether all pairs were equal."""
        return self.failed is None and self.different is None


MOST_RUNS = 80
"""Further runs after which no more trials are made."""


@dataclass(slots=True)
class Laboratory:
    """Carries out trials on one case, and counts what they cost."""

    case: Case
    folders: str = "trial"
    """What the names of its folders begin with."""
    trials: list[Trial] = field(default_factory=list)
    leftovers: frozenset[str] = frozenset()
    """Files that earlier runs of the audit left and later ones picked up."""

    def hold(self, held: tuple[Intervention, ...], pairs: int) -> Trial:
        """Run until a pair differs, or `pairs` pairs were equal; every run is compared with the first."""
        if self.case.extra_runs >= MOST_RUNS:
            return Trial(held, 0, 0, failed=f"the search was ended after {self.case.extra_runs} further runs")
        names = ", ".join(BY_NAME[one.source].words for one in held)
        self.case.progress.note(f"running with {names} held fixed, and nothing else")
        folder = f"{self.folders}{len(self.trials)}"
        with ExitStack() as stack:
            outcomes = self._run(held, folder, 2)
            trial = self._judge(stack, held, outcomes)
            if trial.settled and pairs > 1:
                more = self._run(held, f"{folder}-more", pairs - 1, later=True)
                trial = self._judge(stack, held, [outcomes[0], *more], before=1)
        self.trials.append(trial)
        return trial

    def _run(
        self, held: tuple[Intervention, ...], folder: str, runs: int, *, later: bool = False
    ) -> list[RunOutcome]:
        if leftovers.NAME not in {one.source for one in held} or not self.leftovers:
            return self.case.run_again(
                folder, runs=runs, level=Level.LAYER, held=held, ledger=True, later=later
            )
        outcomes = []
        with same_files(self.leftovers, self.case.started, self.case.folder / f"{folder}-files") as files:
            for number in range(runs):
                files.reset()
                name = f"{folder}-{number}"
                outcomes += self.case.run_again(
                    name, runs=1, level=Level.LAYER, held=held, ledger=True, later=later or number > 0
                )
        return outcomes

    def _judge(
        self, stack: ExitStack, held: tuple[Intervention, ...], outcomes: list[RunOutcome], before: int = 0
    ) -> Trial:
        failed = next((one for one in outcomes if one.trace is None or one.exit_code or one.timed_out), None)
        if failed is not None:
            return Trial(
                held,
                before,
                before,
                failed=f"a run with them held fixed did not end well ({failed.exit_code})",
                ended_badly=True,
            )
        readers = [stack.enter_context(TraceReader(one.trace)) for one in outcomes if one.trace is not None]
        comparisons = [compare(readers[0], reader) for reader in readers[1:]]
        unverified = why_unverified(dict(zip("12345678901234567890", readers, strict=False)), comparisons)
        if unverified is not None and all(one.equal for one in comparisons):
            return Trial(held, before, before, failed=unverified)
        equal = sum(one.equal for one in comparisons)
        trial = Trial(held, before + len(comparisons), before + equal)
        for reader, comparison in zip(readers[1:], comparisons, strict=True):
            if not comparison.equal:
                ledgers = tuple(pair_ledgers(readers[0], reader))
                return replace(trial, different=comparison, ledgers=ledgers)
        return replace(trial, ledgers=tuple(pair_ledgers(readers[0], readers[1])))
