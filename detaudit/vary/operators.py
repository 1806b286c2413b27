"""Find the operators that give other bits for the same inputs under other conditions, and how far apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from detaudit.model.plan import Exchange, Part, RunOutcome, RunPlan
from detaudit.model.trace import Level, Phase, Site
from detaudit.model.variation import Apart, OperatorNumbers
from detaudit.replay.wire.files import AGAIN, ANSWERS, KEPT, Note, RecordFile, read_records
from detaudit.replay.wire.operators import CallAnswer, CallToRepeat, KeptOperator, OnlyHere
from detaudit.trace.reader import TraceReader
from detaudit.vary.experiment import ConditionPair

_PHASES = [phase.value for phase in Phase]

_CallKey = tuple[str, str, str | None, str, str | None, int | None]
"""Phase, root, module, operator, file and line."""


@dataclass(frozen=True, slots=True)
class OperatorReport:
    """The operators of one step, compared under two sets of conditions."""

    operators: tuple[OperatorNumbers, ...] = ()
    """Operators that give other bits, and those that could not be compared (`why` says so)."""
    problems: tuple[str, ...] = ()
    """The things that were not compared."""


def measure_operators(pair: ConditionPair, step: int) -> OperatorReport:
    """Call each operator of a step on the same inputs under both conditions.

    Three runs: one keeps the values of the step on disk, one takes them under the other conditions; where
    bits change, one more takes them under the first, to leave out what changes by itself. Raises RunError if
    a run cannot be started.
    """
    values = pair.runs.folder / "operator-values"
    values.mkdir(parents=True)
    runs = _OperatorRuns(pair, step, values)
    try:
        operators = _measure(runs)
    finally:
        shutil.rmtree(values, ignore_errors=True)
    return OperatorReport(operators, tuple(runs.problems))


class _OperatorRuns:
    """Runs of a pair that keep or take the values of one step."""

    def __init__(self, pair: ConditionPair, step: int, values: Path) -> None:
        self.pair = pair
        self.step = step
        self.values = values
        self.problems: dict[str, None] = {}
        self.sites: dict[str, Site] = {}
        """Lines of the program, by their keys in hexadecimal."""

    def kept(self) -> list[KeptOperator]:
        """Run under the first conditions and keep the operators, call by call."""
        first = self.pair.names[0]
        outcome = self._run(self.pair.first, "operators-kept", Part.KEEPS, first)
        if outcome is None:
            return []
        self._note(self.values / KEPT)
        return list(read_records(self.values / KEPT, KeptOperator))

    def taken(self, plan: RunPlan, name: str, conditions: str) -> Path | None:
        """Run the kept calls again; give the file with the answers, or None if the run did not end well."""
        outcome = self._run(plan, name, Part.TAKES, conditions)
        if outcome is None:
            return None
        file = outcome.stdout.parent / ANSWERS
        self._note(file)
        return file

    def _run(self, plan: RunPlan, name: str, part: Part, conditions: str) -> RunOutcome | None:
        end = self.step + 1
        asked = replace(plan, runs=1, level=Level.OP, steps=end, window=(self.step, end), sketches=False)
        asked = replace(asked, values=Exchange(self.values, part, self.step))
        if plan.draws is not None:
            # Their own, however the runs before have exchanged theirs.
            asked = replace(asked, draws=Exchange(self.values / "draws", part))
        outcome = self.pair.runs.once(asked, name)
        if outcome.trace is not None:
            with TraceReader(outcome.trace) as reader:
                self.sites |= {key.hex(): site for key, site in reader.sites.items()}
                for problem in reader.info.problems:
                    self.problems[f"operators with {conditions}: {problem}"] = None
        if outcome.ended_well:
            return outcome
        self.problems[f"operators were not compared: the run with {conditions} did not end well"] = None
        return None

    def _note(self, path: Path) -> None:
        self.problems |= {note.text: None for note in read_records(path, Note)}


def _measure(runs: _OperatorRuns) -> tuple[OperatorNumbers, ...]:
    first, second = runs.pair.names
    kept = runs.kept()
    if not kept:
        runs.problems[f"no operator was seen in step {runs.step} with {first}"] = None
        return ()
    taken = runs.taken(runs.pair.second, "operators-taken", second)
    if taken is None:
        return ()
    answers = {one.number: _worded(one, second) for one in read_records(taken, CallAnswer)}
    _leave_out_unsteady(runs, answers)
    missing, lone = (CallAnswer(-1, why=f"not called with {name}") for name in (second, first))
    judged = [(call, answers.get(call.number, missing)) for call in kept if not call.drawn]
    alone = read_records(taken, OnlyHere)
    behind = [(KeptOperator(len(kept), one.identity, one.site), lone) for one in alone]
    return _numbers([*judged, *behind], runs.step, runs.sites)


def _worded(answer: CallAnswer, second: str) -> CallAnswer:
    """Add to the reason of an answer under which conditions it was made."""
    why = f"{answer.why} (with {second})" if answer.why else ""
    if answer.unsteady:
        why = f"gives other bits from call to call with {second}"
    return replace(answer, why=why)


def _leave_out_unsteady(runs: _OperatorRuns, answers: dict[int, CallAnswer]) -> None:
    """Run the first conditions again: what changes there too does not change by the other conditions."""
    changed = [number for number, answer in answers.items() if answer.changed]
    if not changed:
        return
    again = RecordFile(runs.values / AGAIN)
    for number in changed:
        again.add(CallToRepeat(number))
    first = runs.pair.names[0]
    file = runs.taken(runs.pair.first, "operators-again", first)
    for one in () if file is None else read_records(file, CallAnswer):
        if one.changed or one.unsteady:
            why = f"gives other bits from call to call with {first} alone"
            answers[one.number] = CallAnswer(one.number, why=why)


@dataclass(slots=True)
class _Group:
    """All calls of one operator in one module, from one line."""

    first: int
    """Number of the first call."""
    calls: int = 0
    changed: int = 0
    furthest: Apart | None = None
    whys: dict[str, int] = field(default_factory=dict)
    """Reasons in words, each with the number of calls that it holds for."""

    def add(self, answer: CallAnswer) -> None:
        """Count one call."""
        self.calls += 1
        self.changed += answer.changed
        if answer.apart is not None:
            known = self.furthest
            self.furthest = answer.apart if known is None or answer.apart.ulp > known.ulp else known
        if answer.why:
            self.whys[answer.why] = self.whys.get(answer.why, 0) + 1

    def why(self) -> str:
        """Give the reasons in words, with the number of calls where a reason does not hold for all."""
        return "; ".join(
            why if count == self.calls else f"{count} of {self.calls} calls: {why}"
            for why, count in self.whys.items()
        )


def _numbers(
    judged: Iterable[tuple[KeptOperator, CallAnswer]], step: int, sites: Mapping[str, Site]
) -> tuple[OperatorNumbers, ...]:
    """Sum up calls with what is known of each; leave out operators of which there is nothing to say."""
    groups: dict[_CallKey, _Group] = {}
    for call, answer in judged:
        site, whose = sites.get(call.site), call.identity
        file, line = (None, None) if site is None else (site.file, site.line)
        key = (whose.phase, whose.root, whose.module, whose.operator, file, line)
        groups.setdefault(key, _Group(call.number)).add(answer)
    said = [(key, group) for key, group in groups.items() if group.changed or group.whys]
    said.sort(key=lambda one: (_PHASES.index(one[0][0]), one[1].first))
    return tuple(_summed(step, key, group) for key, group in said)


def _summed(step: int, key: _CallKey, group: _Group) -> OperatorNumbers:
    phase, root, module, operator, file, line = key
    return OperatorNumbers(
        step=step,
        phase=phase,
        root=root,
        module=module,
        operator=operator,
        file=file,
        line=line,
        calls=group.calls,
        changed=group.changed,
        apart=group.furthest,
        why=group.why(),
    )
