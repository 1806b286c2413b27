"""Name a fault in the schedule of threads, and its place: the access without an order."""

from __future__ import annotations

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, LedgerEntry, Whose
from detaudit.model.result import Divergence
from detaudit.model.trace import Phase, Site
from detaudit.sources.completion import AS_FINISHED, name_queue, queue_line
from detaudit.sources.observation import ChangeSeen, Naming, Observation, drawn_more
from detaudit.sources.polls import FLAG, QUEUE, decides
from detaudit.sources.side_effects import changing_line, collecting_line, drawing_line
from detaudit.sources.source import CERTAIN, Situation


def by_place(divergence: Divergence) -> float:
    """Suspect the schedule where the runs part beside the main thread."""
    in_loader = "loader worker" in divergence.stream
    return 0 if divergence.stream == "main" or in_loader else CERTAIN - 5


def name(seen: Observation) -> Naming:
    """Give a fault in the schedule its cause, its line and its words."""
    drawing = _thread_that_draws(seen)
    if drawing is not None:
        words = f"several threads draw from one generator ({drawing.operation}), in no fixed order"
        return seen.name_at(Cause.RNG_DRIFT, drawing, words, OWN_GENERATOR_FIX)
    taken = seen.telling(_results_in_another_order(seen))
    if taken is not None:
        return seen.name_at(Cause.COMPLETION_ORDER, taken, f"{taken.operation} {AS_FINISHED}")
    asked = _deciding_poll(seen, QUEUE)
    if asked is not None:
        words = f"whether {asked.operation} finds something depends on how far another thread is"
        return seen.name_at(Cause.COMPLETION_ORDER, asked, words, BLOCKING_FIX)
    drift = seen.drifting()
    if drift:
        words = f"how often a line draws depends on how far other threads are: {drawn_more(drift[0])}"
        return seen.name_at(Cause.RNG_DRIFT, drift[0].entry, words, OWN_GENERATOR_FIX)
    return _name_access(seen)


def _name_access(seen: Observation) -> Naming:
    """Name where several threads touch the same without order: as far as known, what they touch."""
    shared = _shared_access(seen)
    if shared is not None:
        words = f"{shared.operation} works on a tensor that another thread uses, in no fixed order"
        return seen.name_at(Cause.THREAD_RACE, shared, words)
    asked = _deciding_poll(seen, FLAG)
    if asked is not None:
        words = f"the answer of {asked.operation} depends on how far another thread is"
        return seen.name_at(Cause.THREAD_RACE, asked, words, FLAG_FIX)
    either = _poll_with_both_answers(seen)
    if either is not None:
        words = f"whether {either.operation} finds something depends on how far another thread is"
        return seen.name_at(Cause.COMPLETION_ORDER, either, words, BLOCKING_FIX)
    first, queue = seen.comparison.first, queue_line(seen)
    in_main = first is not None and "/" not in first.stream
    if queue is not None and in_main:
        return name_queue(seen, queue)
    return _name_race(seen, None if in_main else first)


def _results_in_another_order(seen: Observation) -> list[LedgerEntry]:
    """List where the program took results as they were finished, and not in the same order in both runs."""
    taken = (pair for pair in seen.all_pairs if pair.entry.act is Act.TAKES_RESULT and pair.differs)
    return [pair.entry for pair in taken]


def _deciding_poll(seen: Observation, about: str) -> LedgerEntry | None:
    """Find the question that led to another course, at or before the step in which the runs part."""
    first = seen.comparison.first
    polls = [pair.entry for pair in seen.all_pairs if decides(pair, about)]
    step = polls[0].step if first is None and polls else 0 if first is None else first.step
    near = (one for one in polls if one.step <= step and one.in_main_thread and one.site is not None)
    return min(near, key=lambda one: one.position, default=None)


def _poll_with_both_answers(seen: Observation) -> LedgerEntry | None:
    """Find a line of the main thread that found something in a queue at one time, and nothing at another."""
    asked = [pair.entry for pair in seen.all_pairs if pair.entry.fact.about == QUEUE]
    asked = [one for one in asked if one.in_main_thread and one.site is not None]
    found = {one.site_key for one in asked if one.act is Act.FINDS}
    return next((one for one in asked if one.act is Act.FINDS_NOTHING and one.site_key in found), None)


_ACCESSES = (Act.WRITES_SHARED_DATA_BESIDE, Act.READS_SHARED_DATA_BESIDE, Act.WRITES_SHARED_DATA)
"""The order in which accesses are named: first those of threads beside the main one, and of these first the
writes."""


def _shared_access(seen: Observation) -> LedgerEntry | None:
    pairs = [pair for pair in seen.all_pairs if pair.entry.act in _ACCESSES and pair.entry.site is not None]
    pairs = [pair for pair in pairs if pair.differs] or pairs
    entries = sorted((pair.entry for pair in pairs), key=lambda one: one.position)
    return min(entries, key=lambda one: _ACCESSES.index(one.act), default=None)


IN_PROCESS = "process"
"""The `about` of a task that a process of a pool carries out; other tasks run in threads."""


def _beginnings(seen: Observation, about: str) -> list[Site]:
    """Give the lines on which the functions begin that run beside the main thread."""
    beside = [pair.entry for pair in seen.all_pairs if pair.entry.act is Act.RUNS_BESIDE]
    sites = [one.site for one in beside if one.site is not None and one.fact.about == about]
    return list(dict.fromkeys(sites))


def _drawing_task(seen: Observation) -> Naming | None:
    """Name the line at which a task draws from a generator that the process of a pool brings along."""
    for site in _beginnings(seen, IN_PROCESS):
        line = drawing_line(site)
        if line is not None:
            words = (
                f"{line.function} draws from a generator of the process that carries out the task, "
                "and which process of the pool that is depends on timing"
            )
            return Naming(Cause.WORKER_SEEDING, line, None, words, (site,), TASK_FIX)
    return None


def _changed_object(seen: Observation) -> Naming | None:
    """Name the line at which a thread's function changes what is not its own, as its source tells."""
    sites = _beginnings(seen, "")
    for line_of, cause, words in _CHANGES:
        for site in sites:
            line = line_of(site)
            if line is not None:
                return Naming(cause, line, None, words, (site,))
    return None


_CHANGES = (
    (changing_line, Cause.THREAD_RACE, "a thread changes data that other threads use, in no fixed order"),
    (collecting_line, Cause.COMPLETION_ORDER, "threads add their results as soon as they have them"),
)


def _name_race(seen: Observation, beside: Divergence | None) -> Naming:
    """Name the access that no order is given to; `beside` is where the runs part in a side thread."""
    entry, words = seen.telling(), "threads or processes work on shared data in no fixed order"
    updating = {Phase.BACKWARD, Phase.OPTIMIZER}
    if beside is not None and beside.event.site is not None and beside.event.place.phase in updating:
        others = () if entry is None or entry.site is None else (entry.site,)
        symbol = None if entry is None else entry.operation
        return Naming(Cause.THREAD_RACE, beside.event.site, symbol, words, others)
    found = _drawing_task(seen) or _changed_object(seen)
    if found is not None:
        return found
    started = seen.telling(one for one in seen.entries if one.act is Act.STARTS)
    if started is None:
        return seen.name_bare(Cause.THREAD_RACE)
    return seen.name_at(Cause.THREAD_RACE, started, words)


def _thread_that_draws(seen: Observation) -> LedgerEntry | None:
    draws = [
        pair.entry
        for pair in seen.all_pairs
        if pair.entry.act is Act.DRAWS and pair.entry.fact.whose is Whose.GLOBAL
    ]
    by_side = [entry for entry in draws if not entry.in_main_thread]
    shared = {(entry.source, entry.stream) for entry in draws if entry.in_main_thread}
    for entry in by_side:
        if (entry.source, entry.stream) in shared or len({one.thread for one in by_side}) > 1:
            return entry
    return None


OWN_GENERATOR_FIX = (
    "give each thread a generator of its own (random.Random, np.random.default_rng, torch.Generator), "
    "seeded by its number"
)

TASK_FIX = (
    "make a generator within the task, seeded by the number of the task: "
    "rng = np.random.default_rng([SEED, number])"
)
BLOCKING_FIX = (
    "wait for the item (get() without a time limit), so that the speed of other threads decides nothing"
)
FLAG_FIX = "wait for the other thread (join, wait, result) at a fixed step, instead of asking how far it is"


_TELLING_IF_OTHER = frozenset({*_ACCESSES, Act.READS_SHARED_DATA, Act.FINDS, Act.FINDS_NOTHING})


def concerns(pair: EntryPair, _situation: Situation) -> bool:
    """Accept what starts something, and what threads saw of each other if it is not the same in both runs."""
    return pair.differs or pair.entry.act not in _TELLING_IF_OTHER


def adjust(pairs: list[EntryPair], _situation: Situation) -> float:
    """Suspect the schedule most where several threads were seen to touch the same in another order."""
    told = any(pair.entry.act in _TELLING_IF_OTHER and pair.differs for pair in pairs)
    return SEEN_IN_ANOTHER_ORDER if told else 0


SEEN_IN_ANOTHER_ORDER = 50
"""Score bonus where threads were seen to touch the same thing in another order."""


def name_change(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    """Name the line that took what was ready first, or the one that started others."""
    finished = seen.last(lambda entry: entry.act in {Act.TAKES_RESULT, Act.TAKES_FROM_QUEUE})
    if finished is not None:
        return Cause.COMPLETION_ORDER, finished
    kinds = {Act.STARTS, Act.STARTS_WORKERS, Act.SHARDS_AMONG_WORKERS}
    started = (pair.entry for pair in seen.pairs if pair.entry.act in kinds and pair.entry.site is not None)
    return seen.cause, next(started, None)
