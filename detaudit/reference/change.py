"""Answer what a change does to the numbers, after the commit and the work tree have been run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from detaudit.compare.result import (
    compared,
    conditions_notices,
    finding_from,
    not_varied,
    notices_from,
    origin_from,
)
from detaudit.diagnose.options import AuditOptions
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.result import (
    AuditResult,
    Comparison,
    DivergenceKind,
    Finding,
    Notice,
    ReferenceComparison,
    ReferenceState,
    Verdict,
)
from detaudit.model.trace import Site
from detaudit.reference.changes import changed_lines
from detaudit.reference.entries import entries_of
from detaudit.reference.hold import Held, hold
from detaudit.reference.options import CommitOptions
from detaudit.reference.side import Side
from detaudit.reference.worktree import Checkout
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader

MOST_EVENTS = 50_000
"""The most events of a run in which differing things are counted, so that memory does not grow with its
length."""


@dataclass(frozen=True)
class Change:
    """The commit and the work tree, both run."""

    options: CommitOptions
    checkout: Checkout
    there: Side
    here: Side

    def answer(self, comparison: Comparison) -> AuditResult:
        """Answer for two sides that repeat their own numbers, as far as this was checked."""
        held = self._held()
        if not comparison.equal and self._is_open(held):
            steps = self._steps()
            reason = f"the tolerance can be checked in the first {steps} steps only: add --steps {steps}"
            return self.unverified(reason, comparison)
        reference = self._reference(comparison, held)
        differs = reference.state is ReferenceState.DIFFERS
        runs = (*self.there.summary(), *self.here.summary())
        return AuditResult(
            verdict=Verdict.NOT_REPRODUCIBLE if differs else Verdict.REPRODUCIBLE,
            reason=None,
            target=self.here.plan.target.summary,
            runs=runs,
            compared=compared([comparison], not_varied([run.conditions for run in runs])),
            findings=(self._finding(comparison),) if differs else (),
            extra_runs=len(self.here.outcomes) + len(self.there.outcomes) - len(runs),
            references=(reference,),
            notices=(*self._notices(reference), *conditions_notices(runs), *notices_from(comparison)),
        )

    def unverified(self, reason: str, comparison: Comparison | None = None) -> AuditResult:
        """Answer that the sides could not be compared. A comparison is given if both of them ran."""
        runs = (*self.there.summary(), *self.here.summary())
        conditions = [run.conditions for run in runs]
        return AuditResult(
            verdict=Verdict.UNVERIFIED,
            reason=reason,
            target=self.here.plan.target.summary,
            runs=runs,
            compared=None if comparison is None else compared([comparison], not_varied(conditions)),
            findings=(),
            references=() if comparison is None else (self.not_comparable(comparison),),
            notices=tuple(self._failures()),
        )

    def not_comparable(self, comparison: Comparison) -> ReferenceComparison:
        """Describe the commit as a reference that cannot be compared."""
        first = comparison.first
        return ReferenceComparison(
            kind="commit",
            name=self.there.name,
            state=ReferenceState.NOT_COMPARABLE,
            commit=self.checkout.commit,
            difference=None,
            first=None if first is None else origin_from(first, comparison.runs),
            differing=0,
            compared=0,
            relative=None,
            tolerance=self.options.tolerance,
            environment=_environments(self.there.first, self.here.first),
            changed=changed_lines(self.checkout.repository, self.checkout.commit),
        )

    def _steps(self) -> int | None:
        """As many steps are held in memory; None: all that there are."""
        first = max((self.there.first, self.here.first), key=lambda reader: reader.event_count)
        if first.event_count <= MOST_EVENTS:
            return None
        return max(1, MOST_EVENTS * steps_completed(first) // first.event_count)

    def _held(self) -> Held:
        """Compare the entries that both runs left in each step."""
        there, here = (entries_of(side.first, self._steps()) for side in (self.there, self.here))
        return hold(there, here, self.options.tolerance)

    def _is_open(self, held: Held) -> bool:
        """Say whether a tolerance was asked for and nothing exceeds it in the steps compared so far."""
        within = held.state is not ReferenceState.DIFFERS
        return self.options.tolerance is not None and within and self._steps() is not None

    def _reference(self, comparison: Comparison, held: Held) -> ReferenceComparison:
        """Describe how the work tree differs from the commit, with the number and size of the differences."""
        structural = held.structural or _is_structural(comparison)
        state = ReferenceState.DIFFERS
        if comparison.equal:
            state = ReferenceState.EQUAL
        elif held.state is ReferenceState.WITHIN_TOLERANCE and not structural:
            state = held.state
        return replace(
            self.not_comparable(comparison),
            state=state,
            difference=None if comparison.equal else "structural" if structural else "numeric",
            differing=held.differing,
            compared=held.compared,
            relative=held.relative,
            only_there=held.only_there,
            only_here=held.only_here,
        )

    def _finding(self, comparison: Comparison) -> Finding:
        """Make a finding of the change, at the line of the work tree where that line is known."""
        finding = finding_from(comparison, differs=1, pairs=1)
        ours = None if comparison.first is None else comparison.first.second
        return replace(
            finding,
            id="differs-from-commit",
            confirmed=True,
            evidence=(self._evidence(),),
            site=self._of_ours(finding.site if ours is None else ours.site),
            other_sites=tuple(filter(None, map(self._of_ours, finding.other_sites))),
        )

    def _evidence(self) -> Evidence:
        sides = {"repeated": [self.there.name, self.here.name]}
        return Evidence(EvidenceKind.REPETITION, equal_pairs=2, pairs=2, details=sides)

    def _of_ours(self, site: Site | None) -> Site | None:
        """Give the site with the path that its file has in the user's work tree."""
        if site is None or not Path(site.file).is_relative_to(self.checkout.root):
            return site
        path = self.checkout.repository / Path(site.file).relative_to(self.checkout.root)
        return replace(site, file=str(path))

    def _notices(self, reference: ReferenceComparison) -> Iterator[Notice]:
        if reference.state is ReferenceState.WITHIN_TOLERANCE:
            yield Notice("within-tolerance", _allowed(reference))
        if reference.state is ReferenceState.DIFFERS and not reference.changed:
            text = (
                f"no line has changed since {reference.name}: the numbers depend on files that git ignores "
                "(--link names them), or on the path of the program's folder"
            )
            yield Notice("nothing-changed", text)
        if self._steps() is not None and reference.state is ReferenceState.DIFFERS:
            text = f"the things that differ were counted in the first {self._steps()} steps"
            yield Notice("counted-in-part", text)
        if self.checkout.empty:
            text = f"submodules that are checked out neither here nor there: {', '.join(self.checkout.empty)}"
            yield Notice("submodules-empty", text)
        for argument in self._shared():
            text = f"{argument} leads {self.there.name} to the work tree as well: use a relative path"
            yield Notice("argument-shared", text)
        if self.options.audit.runs > AuditOptions().runs:
            text = (
                "--runs has no effect with --against, which runs each side once, and again where they differ"
            )
            yield Notice("runs-unused", text)
        if self.options.audit.perturb is not None:
            text = "not perturbed: the two commits were run under the same conditions"
            yield Notice("not-perturbed", text)

    def _shared(self) -> Iterator[str]:
        """Arguments of the target that name a file of the work tree by its full path."""
        for argument in self.here.plan.target.args:
            path = Path(argument.rpartition("=")[2])
            if path.is_absolute() and path.is_relative_to(self.checkout.repository):
                yield argument

    def _failures(self) -> Iterator[Notice]:
        yield from self.here.failures()
        failures = self.there.failures()
        yield from failures
        if failures:
            text = (
                f"files that git ignores are missing at {self.there.name}; --link PATH,... links them there"
            )
            yield Notice("ignored-files", text)


def _is_structural(comparison: Comparison) -> bool:
    return comparison.first is not None and comparison.first.kind is DivergenceKind.STRUCTURE


def _allowed(reference: ReferenceComparison) -> str:
    return (
        f"the bits are not those of {reference.name}: {reference.differing} of {reference.compared} things "
        f"differ, by {reference.relative or 0.0:.1g} at most; the tolerance is {reference.tolerance or 0.0:g}"
    )


def _environments(there: TraceReader, here: TraceReader) -> dict[str, tuple[str, str]]:
    """List the settings of the environment that differ, with the values of the commit and the work tree."""
    theirs, ours = there.info.environment, here.info.environment
    both = {key: (str(theirs.get(key, "not set")), str(ours.get(key, "not set"))) for key in theirs | ours}
    return {key: values for key, values in both.items() if values[0] != values[1]}
