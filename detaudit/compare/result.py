"""Turn comparisons into the parts of an answer: runs, findings, notices, and a verdict for `diff`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import xxhash

from detaudit import nested
from detaudit.compare.enough_runs import bound
from detaudit.compare.ranks import rank_of, rank_shortcomings
from detaudit.compare.scope import gravest
from detaudit.compare.wording import describe, message
from detaudit.model.result import (
    AuditResult,
    Compared,
    Comparison,
    Divergence,
    DivergenceKind,
    FaultScope,
    Finding,
    Notice,
    Origin,
    RunSummary,
    TargetSummary,
    Verdict,
)
from detaudit.model.trace import Kind, Place, StreamRole
from detaudit.trace.data import steps_completed
from detaudit.trace.layout import place_key
from detaudit.trace.reader import TraceReader

NOT_VARIED = (
    "device",
    "number of threads",
    "library versions",
    "order of files in folders",
    "speed of the machine",
    "content of fresh memory",
)
"""Conditions that stay the same, as far as anyone can tell, when a program runs again on one machine."""

LAST_STEPS = 8
"""Steps from the end in which the final weights are looked for: models with several optimizers take turns."""


def diff_result(first: TraceReader, second: TraceReader, comparison: Comparison) -> AuditResult:
    """Make the answer of `detaudit diff` from the comparison of two runs that were recorded before."""
    readers = dict(zip(comparison.runs, (first, second), strict=True))
    return plain_result(_target(first, second), readers, [comparison])


def plain_result(
    target: TargetSummary, readers: Mapping[str, TraceReader], comparisons: Sequence[Comparison]
) -> AuditResult:
    """Make the answer about runs that were compared, at least one pair, without a search for the cause.

    `readers` has the traces by the names of their runs.
    """
    runs = tuple(summarize_run(name, reader) for name, reader in readers.items())
    different = [comparison for comparison in comparisons if not comparison.equal]
    shown = gravest(different)[0] if different else comparisons[0]
    reason = why_unverified(readers, comparisons)
    if reason is not None:
        verdict = Verdict.UNVERIFIED
    else:
        verdict = Verdict.NOT_REPRODUCIBLE if different else Verdict.REPRODUCIBLE
    finding = finding_from(shown, differs=len(different), pairs=len(comparisons)) if different else None
    return AuditResult(
        verdict=verdict,
        reason=reason,
        target=target,
        runs=runs,
        compared=compared(comparisons, not_varied([dict(run.conditions) for run in runs])),
        findings=() if finding is None else (finding,),
        notices=(*conditions_notices(runs), *notices_from(shown), *nested_notices(readers.values())),
    )


def summarize_run(name: str, reader: TraceReader) -> RunSummary:
    """Summarize one run, as the result shows it."""
    info = reader.info
    return RunSummary(
        id=name,
        conditions=info.conditions,
        steps=steps_completed(reader),
        events=reader.event_count,
        exit_code=info.exit_code,
        seconds=info.seconds,
        overhead_seconds=info.overhead_seconds,
        environment=info.environment,
        final_digest=final_digest(reader),
        level=info.level.value,
    )


def final_digest(reader: TraceReader) -> str | None:
    """Return the hexadecimal digest of the last weights that were seen; None if there were none."""
    main = [stream.id for stream in reader.streams if stream.role is StreamRole.MAIN]
    rest = [stream.id for stream in reader.streams if stream.role is not StreamRole.MAIN]
    for streams in (main, rest):
        weights = {key: value for stream in streams for key, value in _last_weights(reader, stream).items()}
        if weights:
            lines = sorted(place_key(place) + outputs for (_, place), outputs in weights.items())
            return xxhash.xxh3_128_hexdigest(b"".join(lines))
    return None


def _last_weights(reader: TraceReader, stream: int) -> dict[tuple[int, Place], bytes]:
    last: dict[tuple[int, Place], bytes] = {}
    for index in reader.last_steps(stream, LAST_STEPS):
        for event in reader.step(stream, index).events:
            if event.place.kind is Kind.WEIGHT and event.outputs is not None:
                last[stream, event.place] = event.outputs
    return last


def compared(comparisons: Sequence[Comparison], constant: tuple[str, ...]) -> Compared:
    """Say how much evidence comparisons with one reference run give; at least one comparison is needed."""
    return Compared(
        pairs=len(comparisons),
        steps=min(comparison.steps for comparison in comparisons),
        events=sum(comparison.events for comparison in comparisons),
        level=comparisons[0].level.value,
        not_varied=constant,
        bound=bound(len(comparisons)),
    )


def not_varied(conditions: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """List the conditions that were the same in all runs, so that nothing is known about their effect.

    Python draws a new seed for the hash of strings in every process unless one is set (`hash_seed` in a run's
    conditions).
    """
    seeds = {str(one["hash_seed"]) for one in conditions if one.get("hash_seed") not in {None, "random"}}
    return (*NOT_VARIED, "hash seed") if len(seeds) == 1 else NOT_VARIED


def finding_from(comparison: Comparison, *, differs: int, pairs: int, number: int = 1) -> Finding:
    """Describe the fault that a comparison shows, without its cause. `comparison` must not be equal."""
    if comparison.first is None:
        raise ValueError("the comparison found no fault")
    place = comparison.first.event.place
    return Finding(
        id=f"difference-{number}",
        cause=None,
        confirmed=False,
        evidence=(),
        origin=origin_from(comparison.first, comparison.runs),
        site=comparison.first.event.site,
        other_sites=_other_sites(comparison),
        symbol=place.name if place.kind is Kind.OP else None,
        message=message(comparison.first, comparison),
        fix=None,
        rate={"differs": differs, "pairs": pairs},
        affects=comparison.affected,
        scope=comparison.scope or FaultScope.TRAINING,
    )


def numbered(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Give the findings ids of their own: a second finding of a kind is `hash-order-2`."""
    seen: dict[str, int] = {}
    for finding in findings:
        number = seen[finding.id] = seen.get(finding.id, 0) + 1
        yield finding if number == 1 else replace(finding, id=f"{finding.id}-{number}")


def origin_from(divergence: Divergence, runs: tuple[str, str]) -> Origin:
    """Make the contract's `origin` of a divergence."""
    place = divergence.event.place
    return Origin(
        run=runs,
        step=divergence.step,
        phase=place.phase.value,
        module=place.module,
        op=place.name if place.kind is Kind.OP else None,
        event=describe(divergence.event),
        root=place.root,
        stream=divergence.stream,
        kind=divergence.kind.value,
        rank=rank_of(divergence.stream),
        receiver=divergence.kind is DivergenceKind.VALUE and not divergence.origin,
    )


def _other_sites(comparison: Comparison) -> tuple:  # type: ignore[type-arg]
    sites = dict.fromkeys(divergence.event.site for divergence in comparison.others)
    first = comparison.first.event.site if comparison.first else None
    return tuple(site for site in sites if site is not None and site != first)


def notices_from(comparison: Comparison) -> tuple[Notice, ...]:
    """Make notices of the differences in a comparison that are no fault."""
    return (*_harmless_notices(comparison), *_generator_notices(comparison))


def _harmless_notices(comparison: Comparison) -> Iterator[Notice]:
    texts = [one for one in comparison.harmless if one.event.place.kind is Kind.BATCH_TEXT]
    rest = [one for one in comparison.harmless if one.event.place.kind is not Kind.BATCH_TEXT]
    if texts:
        where = f"first in step {texts[0].step}"
        yield Notice(
            "batch-text-differs",
            f"strings in the batches differ ({where}); no compared number differs because of them",
        )
    if rest:
        more = f" (and {len(rest) - 1} more)" if len(rest) > 1 else ""
        text = f"{message(rest[0], comparison)}{more}; no weight, gradient or loss differs because of it"
        yield Notice("harmless-difference", text)


def _generator_notices(comparison: Comparison) -> Iterator[Notice]:
    for one in comparison.generators:
        # One that nothing draws from is unseeded in most programs, and rightly so.
        if not one.moved:
            continue
        where = "" if one.stream == "main" else f" in {one.stream}"
        text = f"the {one.generator} generator{where} is in different states from step {one.from_step} on"
        reached = ", but what was drawn from it reached nothing that was compared" if comparison.equal else ""
        yield Notice("generator-differs", text + reached)


def conditions_notices(runs: Sequence[RunSummary]) -> tuple[Notice, ...]:
    """Make a notice if the first two runs were not made under the same conditions."""
    if len(runs) < 2:  # noqa: PLR2004 - one run has nothing to differ from
        return ()
    ours, theirs = ({**_flat(run.environment), **_flat(run.conditions)} for run in runs[:2])
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    if not keys:
        return ()
    shown = ", ".join(f"{key}: {ours.get(key, 'absent')} / {theirs.get(key, 'absent')}" for key in keys[:4])
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""  # noqa: PLR2004 - as many as were just shown
    return (Notice("conditions-differ", f"the runs were not made under the same conditions ({shown}{more})"),)


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


def why_unverified(readers: Mapping[str, TraceReader], comparisons: Sequence[Comparison]) -> str | None:
    """Explain why there can be no verdict; None if there can. `readers` has the traces by names of runs."""
    reasons = [reason for name, reader in readers.items() for reason in shortcomings(name, reader)]
    if not reasons and not any(comparison.events for comparison in comparisons):
        reasons.append("the runs have no event in common, so nothing could be compared")
    if not reasons:
        return None
    parted = [one for one in comparisons if one.first is not None and one.first.step < one.steps]
    if parted:
        reasons.append(
            f"the runs already differ in the part that both recorded: {message(_first(parted[0]), parted[0])}"
        )
    return "; ".join(reasons)


def _first(comparison: Comparison) -> Divergence:
    if comparison.first is None:
        raise ValueError("the comparison found no fault")
    return comparison.first


def shortcomings(name: str, reader: TraceReader) -> Iterator[str]:
    """Yield the reasons, if there are any, why a run is no evidence."""
    yield from trace_shortcomings(name, reader)
    yield from rank_shortcomings(name, reader.info.ranks)


def trace_shortcomings(name: str, reader: TraceReader) -> Iterator[str]:
    """Yield the reasons why a trace is no evidence, whatever its ranks are."""
    info = reader.info
    steps = steps_completed(reader)
    if not info.finished:
        yield f"run {name} did not end: its trace stops after {steps} completed steps"
    elif info.exit_code:
        yield f"run {name} ended with exit code {info.exit_code}"
    if info.problems:
        yield f"run {name} was not recorded completely: {info.problems[0]}"
    if info.finished and steps == 0 and not info.problems:
        why = f": {nested.in_words(info.nested)}; {nested.HINT}" if info.nested else ""
        yield f"run {name} completed no training step{why}"


def nested_notices(readers: Iterable[TraceReader]) -> Iterator[Notice]:
    """Say where the program asks for audits, which were not started."""
    asked = dict.fromkeys(one for reader in readers for one in reader.info.nested)
    if asked:
        yield Notice("nested-audit", f"{nested.in_words(tuple(asked))}; {nested.HINT}")


def _target(first: TraceReader, second: TraceReader) -> TargetSummary:
    names = dict.fromkeys((first.info.target, second.info.target))
    return TargetSummary("trace", " / ".join(names))
