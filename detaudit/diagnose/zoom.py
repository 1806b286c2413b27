"""Look closer: run again with every operator of the step in which the runs part, and name the operator."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from detaudit.compare.compare import compare
from detaudit.compare.result import finding_from
from detaudit.diagnose.observer import observer_effect
from detaudit.model.plan import RunOutcome
from detaudit.model.result import Comparison, Divergence, DivergenceKind, Finding, Notice
from detaudit.model.trace import Kind, Phase
from detaudit.trace.reader import TraceReader


def window_for(comparison: Comparison) -> tuple[int, int]:
    """The steps to look at closely: the one in which the runs part."""
    if comparison.first is None:
        raise ValueError("the runs do not differ")
    return comparison.first.step, comparison.first.step + 1


def refine(
    finding: Finding, coarse: Comparison, outcomes: list[RunOutcome], hooked: TraceReader
) -> tuple[Finding, list[Notice]]:
    """Put the operator into a finding, if the closer runs part where the first ones did.

    Where they do not (a race that came out equal, a clock), the finding stays as it is and a notice says so.
    """
    if any(outcome.trace is None or outcome.exit_code or outcome.timed_out for outcome in outcomes):
        return finding, [_not_seen("a run at level `op` did not end well")]
    with ExitStack() as stack:
        readers = [stack.enter_context(TraceReader(outcome.trace)) for outcome in outcomes if outcome.trace]
        closer = compare(readers[0], readers[1], coarse.runs)
        rate = {"differs": finding.rate["differs"] + (not closer.equal), "pairs": finding.rate["pairs"] + 1}
        finding = replace(finding, rate=rate)
        if coarse.first is None or closer.first is None:
            return finding, [_not_seen("the two runs at level `op` agreed, so the difference comes and goes")]
        notices = observer_effect(hooked, readers[0], before=coarse.first.step)
        if not _same_place(coarse.first, closer.first):
            return finding, [*notices, _not_seen(f"the runs at level `op` parted elsewhere: {_where(closer.first)}")]
        return _with_operator(finding, closer), notices


def _with_operator(finding: Finding, closer: Comparison) -> Finding:
    fine = finding_from(closer, differs=finding.rate["differs"], pairs=finding.rate["pairs"])
    if fine.origin.op is None:
        return finding
    # The layer run knows the phase and the module better: an operator outside of all modules has neither.
    origin = replace(
        fine.origin,
        phase=finding.origin.phase,
        module=finding.origin.module if fine.origin.module is None else fine.origin.module,
        root=fine.origin.root or finding.origin.root,
        event=finding.origin.event,
    )
    sites = tuple(site for site in (finding.site, *finding.other_sites) if site not in (None, fine.site))
    return replace(
        finding,
        origin=origin,
        site=fine.site or finding.site,
        other_sites=tuple(dict.fromkeys(site for site in sites if site is not None)),
        symbol=fine.symbol,
        message=f"{finding.message}; {fine.message}",
    )


def _same_place(coarse: Divergence, closer: Divergence) -> bool:
    """Whether an operator-level divergence can be the layer-level one, seen more closely."""
    if coarse.step != closer.step or coarse.kind is not closer.kind or coarse.stream != closer.stream:
        return False
    if closer.event.place.kind is not Kind.OP:
        return coarse.event.place == closer.event.place
    if coarse.kind is DivergenceKind.STRUCTURE:
        return False
    return _compatible(coarse.event.place.phase, closer.event.place.phase)


def _compatible(coarse: Phase, closer: Phase) -> bool:
    # Operators outside of modules are told apart less well: before the first forward pass of a step, all is data.
    before_forward = {Phase.INIT, Phase.DATA, Phase.OPTIMIZER, Phase.EVAL, Phase.FORWARD}
    return coarse is closer or (closer in before_forward and coarse in before_forward)


def _where(divergence: Divergence) -> str:
    place = divergence.event.place
    return f"step {divergence.step}, {place.phase.value}, {place.module or place.name or place.kind.value}"


def _not_seen(why: str) -> Notice:
    return Notice("operator-not-named", f"the operator is not named: {why}")
