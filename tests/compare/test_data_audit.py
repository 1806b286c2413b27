"""What is wrong on the data side of a run is named, and nothing is named where nothing is wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict

import pytest

from detaudit.compare.data_audit import audit_data, draws_of, notices
from detaudit.model.data import DataFault, Fetch, LoaderIteration
from detaudit.model.trace import GeneratorState, StreamRole
from detaudit.trace.reader import TraceReader
from tests.compare.data_programs import (
    AUGMENT,
    CLEAN_ORDERS,
    CLEAN_RANDOMNESS,
    ORDERS,
    RANDOMNESS,
    SPAWNED,
)
from tests.traces import TraceBuilder, batch, digest_of, weight


def found_in(audit):
    """The faults of each data set, with the generators in question."""
    found = defaultdict(set)
    for loader in audit.loaders:
        for fault in loader.faults:
            found[loader.dataset].add(
                (fault.fault.value, fault.generator) if fault.generator else fault.fault.value
            )
    return dict(found)


@pytest.mark.usefixtures("forked")
def test_each_repeated_generator_is_named(record, tmp_path):
    (tmp_path / "augment.py").write_text(AUGMENT)
    reader = record(RANDOMNESS)
    audit = audit_data(reader)
    workers, epochs = "workers-repeat-randomness", "epochs-repeat-randomness"
    anew = {(epochs, name) for name in ("python", "numpy", "torch")}

    assert not reader.info.problems
    assert found_in(audit) == {
        "ModuleLevel": {(workers, "__main__.NOISE"), (epochs, "__main__.NOISE")},
        "OtherModule": {(workers, "augment.RNG"), (epochs, "augment.RNG")},
        "InAList": {(workers, "dataset.inner[0]")},
        "OfItsClass": {(workers, "dataset.generator"), (epochs, "dataset.generator")},
        "MadeInTheWorker": {(workers, "dataset.rng"), (epochs, "dataset.rng")},
        "ConstantSeed": {(workers, "numpy"), (epochs, "numpy")},
        "SeedOfTheWorker": {(epochs, "python")},
        "SeededEachEpoch": anew,
    }
    assert notices(audit)[0].message == (
        "workers 0 and 1 of ModuleLevel (loader 1) drew the same random numbers from NOISE "
        "in epochs 0 and 1; seed the generator in each worker from torch.initial_seed(), in worker_init_fn"
    )


@pytest.mark.usefixtures("forked")
def test_randomness_that_is_as_it_should_be_gives_no_notice(record):
    reader = record(CLEAN_RANDOMNESS)
    audit = audit_data(reader)

    assert not reader.info.problems
    assert len(audit.loaders) == 10
    assert notices(audit) == ()


@pytest.mark.usefixtures("forked")
def test_each_fault_of_order_and_coverage_is_named(record):
    reader = record(ORDERS)
    audit = audit_data(reader)

    assert not reader.info.problems
    assert found_in(audit) == {
        "Unsharded": {"workers-repeat-data"},
        "Reseeded": {"epochs-same-order"},
        "CutShort": {"epochs-same-order"},
        "WithoutSetEpoch": {"epochs-same-order"},
        "LosesTheRest": {"samples-missing"},
        "GivesTwice": {"samples-twice"},
    }
    messages = {notice.id: notice.message for notice in notices(audit)}
    assert messages["samples-missing"] == (
        "LosesTheRest (loader 5) never gave sample 63 in epochs 0 and 1; "
        "SequentialSampler should give each sample once"
    )
    assert messages["samples-twice"] == (
        "GivesTwice (loader 6) gave sample 5 more than once in epochs 0 and 1; "
        "Repeating should give each sample once"
    )


@pytest.mark.usefixtures("forked")
def test_orders_and_samples_that_are_as_asked_for_give_no_notice(record):
    reader = record(CLEAN_ORDERS)
    audit = audit_data(reader)
    complete = [loader.epochs[0].complete for loader in audit.loaders]

    assert not reader.info.problems
    assert len(audit.loaders) == 15
    assert complete == [True, True, False, False, *[True] * 10, False]
    assert notices(audit) == ()


def test_spawned_workers_are_seen_too(record):
    audit = audit_data(record(SPAWNED))

    assert found_in(audit) == {"Noisy": {("workers-repeat-randomness", "__main__.NOISE")}}


# Built traces: the rules one by one.

SAME, OTHER = ("aa", "bb", "cc"), ("a1", "b1", "c1")


def fetches(*states, before=True, name="numpy"):
    """Fetches of one worker whose generator has these states: before the first, after it, and so on."""
    given = [(GeneratorState(name, bytes.fromhex(state)),) for state in states]
    return [
        Fetch(at, at, given[at] if before and at == 0 else (), given[at + 1]) for at in range(len(given) - 1)
    ]


@pytest.mark.parametrize(
    ("states", "iterable", "positions"),
    [
        (SAME, False, {0, 1}),
        (("aa", "aa", "aa"), False, set()),
        (("aa", "aa", "bb"), False, {1}),
        (("aa", "bb", "bb"), False, set()),
        (("aa", "bb"), False, {0}),
        (("aa", "bb"), True, set()),
        (SAME, True, {0, 1}),
    ],
    ids=["moves", "rests", "moves late", "prepares", "one fetch", "one fetch of a stream", "stream"],
)
def test_what_counts_as_drawn(states, iterable, positions):
    draws = draws_of(fetches(*states), iterable=iterable)
    assert {position for position, _, _ in draws.get("numpy", ())} == positions


def test_a_generator_that_was_not_there_before_has_not_moved():
    assert draws_of(fetches("aa", "bb", before=False), iterable=False) == {}


class Built:
    """A trace of one loader, pass by pass."""

    def __init__(self, path, **facts):
        self.builder = TraceBuilder(path)
        self.builder.stream()
        given = {"dataset": "Data", "sampler": "RandomSampler", "shuffles": True, "covers": True}
        given |= {"iterable": False, "droppable": 0, "length": 12, "workers": 0, "round": 0}
        self.facts = given | {"processes": (), "exhausted": True} | facts
        self.iteration = 0

    def give(self, *batches, trains=True, init=False, workers=None, **facts):
        """Add a pass with these batches, each a tuple of sample numbers."""
        builder = self.builder
        for number, samples in enumerate(batches):
            sequence = next(builder.sequence)
            worker = None if workers is None else workers[number % len(workers)]
            place = {"loader": 1, "iteration": self.iteration, "index": number, "worker": worker}
            step = builder.steps.get(0, 0)
            given = None if self.facts["iterable"] else samples
            builder.batch(sequence=sequence, samples=given, step=step, content=digest_of(samples), **place)
            if trains:
                events = [weight("w", step)]
                events += [weight("w", 0, phase="init")] if init and number == 0 else []
                builder.step(batch(samples), *events)
        if not trains:
            builder.step(batch(batches))
        facts = self.facts | facts
        builder.writer.set_iteration(0, LoaderIteration(loader=1, iteration=self.iteration, **facts))
        self.iteration += 1
        return self

    def work(self, worker, process, *states, round_=0):
        """Add what one worker saw, given its generator's states."""
        builder, stream = (
            self.builder,
            (f"loader worker {worker}/{process}", "main", StreamRole.LOADER_WORKER),
        )
        for number, state in enumerate(states[1:]):
            step = builder.steps.get(builder.stream(*stream), 0)
            before = f"numpy={states[0]}" if number == 0 else ""
            facts = {"round_": round_, "number": number, "process": process, "before": before}
            builder.writer.add_fetch(builder.stream(*stream), step, **facts)
            builder.step(batch(number), generators=f"numpy={state}", stream=stream)
        return self

    def audit(self):
        """Close the trace and audit it."""
        with TraceReader(self.builder.close()) as reader:
            return audit_data(reader)

    def faults(self):
        """The faults by kind, with the passes that have them."""
        found = defaultdict(list)
        for loader in self.audit().loaders:
            for one in loader.faults:
                found[one.fault.value].append((one.epoch, one.workers))
        return dict(found)


@pytest.fixture
def built(tmp_path):
    """Begin a trace of one loader."""
    return lambda **facts: Built(tmp_path / "run.trace", **facts)


ORDER = [(3, 1, 2), (0, 4, 5), (8, 7, 6), (11, 9, 10)]
BACKWARDS = ORDER[::-1]


def test_facts_of_each_pass(built):
    given = built().give(*ORDER).give(*BACKWARDS, trains=False).give(*ORDER[:2], exhausted=False)
    audit = given.audit()
    first, second, third = audit.loaders[0].epochs

    assert (first.batches, first.samples, first.complete, first.trains) == (4, 12, True, True)
    assert (second.trains, third.complete, third.missing_count) == (False, False, 0)
    assert len({first.order, second.order, third.order}) == 3
    assert json.loads(json.dumps(asdict(audit)))["loaders"][0]["epochs"][0]["samples"] == 12


@pytest.mark.parametrize(
    ("later", "shuffles", "is_fault"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"trains": False}, True, False),
        ({"init": True}, True, False),
    ],
    ids=["shuffled", "not shuffled", "validation", "another training"],
)
def test_the_same_order_in_two_epochs(built, later, shuffles, is_fault):
    given = built(shuffles=shuffles).give(*ORDER, init=True).give(*ORDER, **later)
    assert given.faults() == ({"epochs-same-order": [(1, ())]} if is_fault else {})


def test_an_order_that_may_come_again_by_chance_is_no_fault(built):
    few = [(1,), (0,), (2,), (3,)]
    assert built(length=4).give(*few).give(*few).faults() == {}


def test_another_order_is_no_fault(built):
    assert built().give(*ORDER).give(*BACKWARDS).faults() == {}


@pytest.mark.parametrize(
    ("batches", "facts", "fault"),
    [
        ([*ORDER[:3], (11, 9, 9)], {}, {"samples-twice", "samples-missing"}),
        (ORDER[:3], {}, {"samples-missing"}),
        ([*ORDER[:2], *ORDER[3:]], {"length": None}, {"samples-missing"}),
        (ORDER[:3], {"droppable": 3}, set()),
        (ORDER[:2], {"droppable": 3}, {"samples-missing"}),
        (ORDER[:2], {"droppable": None}, set()),
        (ORDER[:3], {"exhausted": False}, set()),
        (ORDER[:3], {"covers": False}, set()),
        (ORDER, {}, set()),
        ([], {}, {"samples-missing"}),
        ([*ORDER, (3,)], {"exhausted": False}, set()),
    ],
    ids=range(11),
)
def test_samples_twice_and_missing(built, batches, facts, fault):
    assert set(built(**facts).give(*batches).faults()) == fault


def test_a_length_that_cannot_be_is_not_counted_up_to(built):
    assert built(length=1 << 60).give(*ORDER).audit().loaders[0].epochs[0].missing_count == 0


DOUBLE = [("a",), ("a",), ("b",), ("b",), ("c",)]


@pytest.mark.parametrize(
    ("batches", "iterable", "is_fault"),
    [
        (DOUBLE, True, True),
        ([("a",), ("a",), ("a",), ("a",)], True, False),
        ([("a",), ("a",)], True, False),
        ([("a",), ("b",), ("c",), ("d",)], True, False),
        ([(0,), (0,), (1,), (1,)], False, False),
    ],
    ids=["each gives all", "all batches alike", "one batch each", "shared out", "not a stream"],
)
def test_workers_that_give_the_same_batches(built, batches, iterable, is_fault):
    facts = {"iterable": iterable, "covers": False, "workers": 2}
    faults = built(**facts).give(*batches, workers=(0, 1)).faults()
    assert faults == ({"workers-repeat-data": [(0, (0, 1))]} if is_fault else {})


def two_workers(built, first, second):
    given = built(workers=2).give(*ORDER, workers=(0, 1), processes=(70, 71))
    return given.work(0, 70, *first).work(1, 71, *second)


def test_workers_with_the_same_states_drew_the_same(built):
    faults = two_workers(built, SAME, SAME).faults()
    assert faults == {"workers-repeat-randomness": [(0, (0, 1))]}


@pytest.mark.parametrize("second", [OTHER, ("aa", "aa", "aa"), ("aa", "b1", "cc"), ("a1", "bb", "c1")])
def test_workers_with_other_states_did_not(built, second):
    assert two_workers(built, SAME, second).faults() == {}


@pytest.mark.parametrize(
    ("later", "states", "is_fault"),
    [
        ({}, SAME, True),
        ({}, OTHER, False),
        ({"trains": False}, SAME, False),
        ({"init": True}, SAME, False),
    ],
    ids=["same", "other", "validation", "another training"],
)
def test_a_worker_that_draws_the_same_in_the_next_epoch(built, later, states, is_fault):
    given = built(workers=1).give(*ORDER, workers=(0,), processes=(70,), init=True).work(0, 70, *SAME)
    given.give(*BACKWARDS, workers=(0,), processes=(71,), **later).work(0, 71, *states)
    assert given.faults() == ({"epochs-repeat-randomness": [(1, (0,))]} if is_fault else {})


def test_passes_of_persistent_workers_are_told_apart(built):
    given = built(workers=1).give(*ORDER, workers=(0,), processes=(70,)).work(0, 70, "aa", "bb", "cc")
    given.give(*BACKWARDS, workers=(0,), processes=(70,), round=1).work(0, 70, "cc", "dd", "ee", round_=1)
    assert given.faults() == {}


def test_a_process_number_that_comes_up_again_is_another_worker(built):
    given = built(workers=1).give(*ORDER, workers=(0,), processes=(70,)).work(0, 70, *SAME)
    given.give(*BACKWARDS, workers=(0,), processes=(70,)).work(9, 70, *SAME)
    assert given.faults() == {"epochs-repeat-randomness": [(1, (0,))]}


def test_one_notice_for_each_fault_of_a_loader(built):
    given = built()
    for _ in range(9):
        given.give(*ORDER)
    (notice,) = notices(given.audit())

    assert notice.id == DataFault.EPOCHS_SAME_ORDER
    assert "in epochs 1, 2, 3, 4, 5 and 3 more" in notice.message


def test_a_run_without_loaders_has_no_audit(built):
    assert built().audit().loaders == ()
