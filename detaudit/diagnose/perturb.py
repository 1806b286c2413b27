"""Perturb: change what should not matter, one thing at a time, and name what changes the numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from detaudit.axes import hash_seed
from detaudit.compare.compare import compare
from detaudit.compare.result import finding_from, numbered, why_unverified
from detaudit.compare.scope import narrowed
from detaudit.compare.wording import message
from detaudit.diagnose.case import Case
from detaudit.diagnose.suspects import before, pair_ledgers
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.ledger import LedgerEntry
from detaudit.model.plan import Intervention
from detaudit.model.result import AuditResult, Comparison, Finding, Notice, PerturbedRun
from detaudit.model.trace import Level
from detaudit.sources import set_order, surroundings
from detaudit.sources.catalogue import BY_NAME
from detaudit.sources.observation import ChangeSeen
from detaudit.sources.source import Perturbation, Source
from detaudit.trace.data import read_ledger
from detaudit.trace.reader import TraceReader

EQUAL, DIFFERS, FAILED, NOT_ASKED = "equal", "differs", "failed", "not asked for"


@dataclass(frozen=True, slots=True)
class PerturbResult:
    """The result of perturbing: faults, notices, and every change that was tried."""

    findings: tuple[Finding, ...] = ()
    notices: tuple[Notice, ...] = ()
    tried: tuple[PerturbedRun, ...] = ()

    def put_into(self, result: AuditResult) -> AuditResult:
        """Add these changes to an answer, and take them out of its list of what was not varied."""
        if result.compared is None:
            return result
        left = self._left(result.compared.not_varied)
        return replace(result, compared=replace(result.compared, not_varied=left), perturbed=self.tried)

    def _left(self, not_varied: Sequence[str]) -> tuple[str, ...]:
        spoilt = {one.source for one in self.tried if one.result in {DIFFERS, FAILED}}
        known = {BY_NAME[one.source].covers for one in self.tried if one.source not in spoilt}
        return tuple(words for words in not_varied if words not in known)


def chosen(text: str | None) -> tuple[str, ...]:
    """List the perturbations that an option's text names; `all` leaves out what plain runs vary already."""
    if text is None:
        return ()
    if text != "all":
        return tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    fixed = os.environ.get(hash_seed.VARIABLE, hash_seed.RANDOM) != hash_seed.RANDOM
    names = [source.name for source in BY_NAME.values() if source.perturbed_by]
    return tuple(name for name in names if fixed or name != set_order.BY_SEED)


def perturb(case: Case, first: TraceReader, names: Sequence[str], plain: int) -> PerturbResult:
    """Run the target once more for each change, and hold that against run 1.

    `first` is the trace of run 1; `plain` is how many plain runs there are, all of them equal.
    """
    if not names:
        return PerturbResult()
    with ExitStack() as stack:
        return _PerturbedRuns(case, first, plain, stack).carry_out([BY_NAME[name] for name in names])


@dataclass(slots=True)
class _PerturbedRuns:
    """The runs under changes, and what came of them."""

    case: Case
    first: TraceReader
    plain: int
    stack: ExitStack
    findings: list[Finding] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    tried: list[PerturbedRun] = field(default_factory=list)
    count: int = 0

    def carry_out(self, sources: Sequence[Source]) -> PerturbResult:
        """Make all changes, one after the other."""
        self.case.progress.note("running once more without any change, noting what the program asks for")
        watched = self._run((), None)
        if isinstance(watched, str):
            return PerturbResult(
                notices=(Notice("not-perturbed", f"nothing was perturbed: a further run {watched}"),)
            )
        unchanged = self._compared(watched, "2")
        if not unchanged.equal:
            return PerturbResult((_by_itself(unchanged, self.plain),))
        asked = {entry.source for entry in read_ledger(watched)}
        for source in sources:
            for perturbation in source.perturbations_in(self.first.info.environment):
                if source.asked_through and not asked & set(source.asked_through):
                    self._note(source, perturbation, NOT_ASKED)
                elif not self._try(source, perturbation, watched):
                    break
        return PerturbResult(
            tuple(numbered(self.findings)), (*self._summary(), *self.notices), tuple(self.tried)
        )

    def _try(self, source: Source, perturbation: Perturbation, watched: TraceReader) -> bool:
        """Make one change; True if the numbers stay the same."""
        self.case.progress.note(f"running with {perturbation.words}")
        reader = self._run((Intervention(source.name, amount=perturbation.amount),), None)
        if isinstance(reader, str):
            self._failed(source, perturbation, reader)
            return False
        comparison = self._compared(reader, "perturbed")
        why = why_unverified({"perturbed": reader}, [comparison])
        if comparison.first is None:
            if why is not None:
                self._failed(source, perturbation, f"says nothing: {why}")
                return False
            self._note(source, perturbation, EQUAL)
            return True
        self._note(source, perturbation, DIFFERS, message(comparison.first, comparison))
        self._explain(ChangeFound(source, perturbation, comparison, watched, reader, self.plain))
        return False

    def _compared(self, reader: TraceReader, name: str) -> Comparison:
        """Hold a run against the first one, in what the audit is about."""
        return narrowed(compare(self.first, reader, ("1", name)), self.case.asked)

    def _explain(self, change: ChangeFound) -> None:
        """Say what a change that changes the numbers means."""
        if change.source.is_setting:
            self.notices.append(_setting(change))
            return
        intervention = Intervention(change.source.name, amount=change.perturbation.amount)
        self.case.progress.note(
            f"once more with {change.perturbation.words}, to see whether the difference follows"
        )
        again = self._run((intervention,), None)
        followed = not isinstance(again, str) and not self._compared(again, "2").equal
        if change.source.shows_in_operators:
            change = replace(change, closer=self._closer(intervention, change.comparison))
        self.findings.append(name_change(change, followed=followed))

    def _closer(self, intervention: Intervention, comparison: Comparison) -> TraceReader | None:
        """Make a run with operators, whose ledger has the lines that make memory which is read unwritten."""
        step = comparison.first.step if comparison.first is not None else 0
        reader = self._run((intervention,), (0, step + 1))
        return None if isinstance(reader, str) else reader

    def _run(self, perturbed: tuple[Intervention, ...], window: tuple[int, int] | None) -> TraceReader | str:
        """Make one run; where the run did not end well, return the words for that."""
        self.count += 1
        level = self.case.plan.level if window is None else Level.OP
        name = f"perturbed{self.count}"
        (outcome,) = self.case.run_again(
            name, runs=1, level=level, window=window, perturbed=perturbed, ledger=True
        )
        if outcome.timed_out:
            return "did not end in time"
        if outcome.exit_code or outcome.trace is None:
            return (
                f"ended with exit code {outcome.exit_code}" if outcome.exit_code else "did not import torch"
            )
        return self.stack.enter_context(TraceReader(outcome.trace))

    def _note(
        self, source: Source, perturbation: Perturbation, result: str, difference: str | None = None
    ) -> None:
        self.tried.append(PerturbedRun(source.name, perturbation.words, result, difference))

    def _failed(self, source: Source, perturbation: Perturbation, why: str) -> None:
        self._note(source, perturbation, FAILED)
        if source.name == surroundings.FOLDER:
            text = f"the program could not run elsewhere: with {perturbation.words}, a run {why}"
        else:
            text = f"with {perturbation.words}, a run {why}: whether the numbers stay the same is not known"
        self.notices.append(Notice("perturbed-run-failed", text))

    def _summary(self) -> Iterator[Notice]:
        """Report the changes that made no difference, and those that the program did not ask for."""
        same = [one.amount for one in self.tried if one.result == EQUAL]
        unused = {one.source for one in self.tried if one.result == NOT_ASKED}
        if same:
            yield Notice("perturbed", f"every number stays the same with {'; with '.join(same)}")
        if unused:
            words = "; ".join(source.words for source in BY_NAME.values() if source.name in unused)
            yield Notice("not-asked-for", f"not perturbed, since the program does not ask for it: {words}")


def _by_itself(comparison: Comparison, plain: int) -> Finding:
    """Report the fault that shows without any change, in one more plain run."""
    finding = finding_from(comparison, differs=1, pairs=plain)
    words = f"{plain} plain runs are equal, but one more run differs, without any change: {finding.message}"
    return replace(finding, message=words)


def _setting(change: ChangeFound) -> Notice:
    first = change.comparison.first
    step = 0 if first is None else first.step
    return Notice(
        "numeric-setting",
        f"with {change.perturbation.words}, the numbers differ from step {step} on: the number of threads is "
        "a numeric setting (it decides how sums are split); keep it the same to get the same bits",
    )


@dataclass(frozen=True, slots=True)
class ChangeFound:
    """One change under which the numbers were not the same."""

    source: Source
    perturbation: Perturbation
    comparison: Comparison
    """Run 1 and the run under the change."""
    watched: TraceReader
    """A run without a change that has a ledger."""
    reader: TraceReader
    plain: int
    """Plain runs that are equal."""
    closer: TraceReader | None = None
    """A run under the change with operators, if one was made."""


def name_change(change: ChangeFound, *, followed: bool) -> Finding:
    """Make the finding; `followed` says whether a second run under the same change differed too."""
    differs = 1 + followed
    finding = finding_from(change.comparison, differs=differs, pairs=2)
    cause, entry = _named(change)
    site = entry.site if entry is not None else finding.site
    symbol = entry.operation if entry is not None else finding.symbol
    others = () if finding.site in {None, site} else (finding.site,)
    changed = {
        "perturbed": change.source.name,
        "amount": change.perturbation.words,
        "different_pairs": differs,
        "equal_plain_runs": change.plain,
    }
    evidence = Evidence(EvidenceKind.PERTURBATION, pairs=2, details=changed)
    return replace(
        finding,
        id=cause,
        cause=cause,
        confirmed=followed,
        evidence=(evidence,),
        site=site,
        other_sites=tuple(dict.fromkeys(one for one in (*others, *finding.other_sites) if one is not None)),
        symbol=symbol,
        message=f"{_words(change)}: {finding.message}",
        fix=cause.fix,
    )


def _words(change: ChangeFound) -> str:
    step = change.comparison.first.step if change.comparison.first is not None else 0
    changed = f"with {change.perturbation.words}, the run differs from step {step} on"
    return f"{change.plain} plain runs are equal; {changed}"


def _named(change: ChangeFound) -> tuple[Cause, LedgerEntry | None]:
    """Give the cause, and the entry of the ledger with the line."""
    first, source = change.comparison.first, change.source
    pairs = pair_ledgers(change.watched, change.reader)
    pairs = pairs if first is None else before(pairs, first)
    closer = () if change.closer is None else tuple(pair_ledgers(change.closer, change.closer))
    return source.name_change(ChangeSeen(source.name, source.causes[0], first, tuple(pairs), closer))
