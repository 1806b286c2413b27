"""Compare the ranks of one run with each other, and describe each fault that shows.

What must agree is what ranks hold copies of, and the order of what they exchange. What must not agree is the
samples that each of them trains on. Two runs can be equal, and their ranks wrong all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from detaudit.compare.align import EventPair
from detaudit.compare.ranks import as_ranges, is_collective
from detaudit.compare.replicas import Drift, RankStream, first_departing, only_in_one, parted_weights
from detaudit.compare.shards import ShardFault
from detaudit.compare.wording import describe, full_name
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.result import Affected, Finding, Notice, Origin
from detaudit.model.trace import Event, Kind, Rank, Site

_NOT_OF_ALL = ("wait_tensor", "barrier", "check_for_nan", "send", "recv", "isend", "irecv", "batch_p2p")
"""Beginnings of operations that exchange nothing, or between two ranks: of these, a rank sends first and the
other rank receives first, as it should be."""
_GROUP = "group"
"""In a line that names a process group. Each group has an order of its own, and the group is not recorded."""


def drift_finding(
    drift: Drift, ranks: Sequence[RankStream], operators: Sequence[RankStream], run: str
) -> Finding:
    """Describe copies of weights that part. `operators`: the ranks of a run by operator, if one was made."""
    departed = drift.departed[0]
    ours, theirs = _of(ranks, drift.reference), _of(ranks, departed)
    departing, among = departed, as_ranges(drift.departed)
    pair = first_departing(ours, theirs, drift.step)
    event = None if pair is None else pair.event
    alone = _only_in_one(operators, drift)
    site = event.site if event is not None else None
    message = _how_copies_part(event, drift)
    if alone is not None and alone.event.site is not None:
        site = alone.event.site
        only = departed if alone.first is None else drift.reference
        message += f"; only rank {only} runs {alone.event.place.name} in this step, on line {site.line}"
        if len(ranks) == 2:  # noqa: PLR2004 - of two, neither is in the majority
            departing, among = only, str(only)
    return _finding(
        Cause.REPLICAS_DRIFT,
        departing,
        drift.step,
        event,
        site,
        message,
        run=run,
        ranks=among,
        weights=parted_weights(ours, theirs, drift.step),
        symbol=None if alone is None else alone.event.place.name,
    )


def _only_in_one(operators: Sequence[RankStream], drift: Drift) -> EventPair | None:
    if not operators:
        return None
    return only_in_one(_of(operators, drift.reference), _of(operators, drift.departed[0]), drift.step)


def _how_copies_part(event: Event | None, drift: Drift) -> str:
    who = f"on rank {as_ranges(drift.departed)} other values than on rank {drift.reference}"
    if event is None:
        return f"weights of which each rank holds a copy have {who} from step {drift.step} on"
    name = full_name(event.place)
    if event.place.kind is Kind.GRAD_USED:
        return (
            f"the gradient of {name} that the optimizer uses has {who}: the ranks did not exchange it, or "
            f"changed it after the exchange; their copies of the weight part in step {drift.step}"
        )
    return (
        f"the weight {name} has {who} from step {drift.step} on, although the gradient that the optimizer "
        "uses agrees: a rank changes the weight itself, or its optimizer works with other settings"
    )


def shard_finding(fault: ShardFault, run: str) -> Finding:
    """Describe samples that ranks should not have in common, or an order that should not come twice."""
    shard, other = fault.shard, fault.other
    event = shard.first
    site = None if event is None else event.site
    step = shard.batches[0].step
    if fault.epoch_not_set:
        message = (
            f"epoch {shard.facts.iteration} takes the samples in the same order as epoch "
            f"{other.facts.iteration}, on each rank: DistributedSampler was not told the epoch"
        )
        return _finding(Cause.EPOCH_NOT_SET, shard.rank, step, event, site, message, run=run)
    things = f"{fault.common} {'batches' if shard.samples is None else 'samples'}"
    message = (
        f"ranks {other.rank} and {shard.rank} train on the same {things} in epoch {shard.facts.iteration}: "
        f"the data of the loader ({shard.facts.sampler}) is not divided among the ranks"
    )
    ranks = as_ranges((other.rank, shard.rank))
    return _finding(Cause.SHARDS_OVERLAP, shard.rank, step, event, site, message, run=run, ranks=ranks)


def collective_finding(operators: Sequence[RankStream], run: str) -> Finding | None:
    """Find the first collective operation that ranks call in another order; None where the order agrees.

    Ranks may well have calls of their own. But where all of them make the same calls in a step, by the text
    of their lines, and not in the same order, what belongs to different calls is exchanged.
    """
    if len(operators) < 2:  # noqa: PLR2004 - a single rank has no other to differ from
        return None
    reference, *others = operators
    for head in reference.reader.heads(reference.stream):
        ours = list(_collectives(reference, head.index))
        for rank in others:
            theirs = list(_collectives(rank, head.index))
            different = _first_out_of_order(ours, theirs)
            if different is not None:
                return _order_finding(reference, rank, head.index, different, run)
    return None


def unrelated_notices(ranks: Sequence[Rank]) -> Iterator[Notice]:
    """Say so where nothing is known of what ranks hold copies of: they were not compared with each other."""
    if len(ranks) > 1 and not any(rank.data_parallel or rank.mesh for rank in ranks):
        text = (
            "the weights of the ranks were not compared with each other: which of them are copies is only "
            "known for DistributedDataParallel, fully_shard and DTensor"
        )
        yield Notice("ranks-not-compared", text)


def _order_finding(
    reference: RankStream, rank: RankStream, step: int, different: tuple[Event, Event], run: str
) -> Finding:
    first, second = different
    ours, theirs = (_place(event.site) for event in (first, second))
    message = (
        f"rank {rank.number} calls {second.place.name} on {theirs} where rank {reference.number} calls "
        f"{first.place.name} on {ours}: each takes in what the other rank meant for another call"
    )
    ranks = as_ranges((reference.number, rank.number))
    return _finding(
        Cause.COLLECTIVE_ORDER, rank.number, step, second, second.site, message, run=run, ranks=ranks,
        symbol=second.place.name,
    )  # fmt: skip


def _collectives(rank: RankStream, step: int) -> Iterator[Event]:
    try:
        events = rank.reader.step(rank.stream, step).events
    except KeyError:
        return
    for event in events:
        if event.place.kind is Kind.OP and _is_of_all(event):
            yield event


def _is_of_all(event: Event) -> bool:
    """Say whether an operation is one that all ranks must call in the same order, as far as is known."""
    name = event.place.name
    if not is_collective(name) or name.split(".")[1].startswith(_NOT_OF_ALL):
        return False
    return event.site is None or _GROUP not in event.site.code


def _first_out_of_order(ours: Sequence[Event], theirs: Sequence[Event]) -> tuple[Event, Event] | None:
    keys = [[(event.place.name, _text(event.site)) for event in events] for events in (ours, theirs)]
    if keys[0] == keys[1] or sorted(keys[0]) != sorted(keys[1]):
        return None
    return next((one, other) for one, other, a, b in zip(ours, theirs, *keys, strict=True) if a != b)


def _text(site: Site | None) -> str:
    return "" if site is None else site.code or _place(site)


def _place(site: Site | None) -> str:
    return "an unknown line" if site is None else f"line {site.line} of {site.file.rpartition('/')[2]}"


def _of(ranks: Sequence[RankStream], number: int) -> RankStream:
    return next(rank for rank in ranks if rank.number == number)


def _finding(  # noqa: PLR0917 - the parts of a finding, each given in each place
    cause: Cause,
    rank: int,
    step: int,
    event: Event | None,
    site: Site | None,
    message: str,
    *,
    run: str,
    ranks: str = "",
    weights: int = 0,
    symbol: str | None = None,
) -> Finding:
    place = None if event is None else event.place
    return Finding(
        id=cause.value,
        cause=cause,
        confirmed=True,
        evidence=(Evidence(EvidenceKind.RANKS, details={"run": run, "ranks": ranks or str(rank)}),),
        origin=Origin(
            run=(run, run),
            step=step,
            phase="optimizer" if place is None else place.phase.value,
            module=None if place is None else place.module,
            op=place.name if place is not None and place.kind is Kind.OP else None,
            event="weights" if event is None else describe(event),
            root="" if place is None else place.root,
            stream=f"rank {rank}",
            rank=rank,
        ),
        site=site,
        other_sites=(),
        symbol=symbol,
        message=message,
        fix=cause.fix,
        rate={"differs": 0, "pairs": 1},
        affects=Affected(weights, 0, step, ranks) if ranks else None,
    )
