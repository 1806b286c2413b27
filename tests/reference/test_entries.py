"""A trace turned into entries: one for each layer, step and kind of thing, in their order."""

from __future__ import annotations

import pytest

from detaudit.model.lock import BEFORE
from detaudit.model.trace import Site, StreamRole
from detaudit.reference.entries import entries_of, site_of
from detaudit.trace.reader import TraceReader
from tests.locks import Numbers, recorded, sketch_of
from tests.traces import (
    Happening,
    TraceBuilder,
    batch,
    digest_of,
    gradient,
    loss,
    model_input,
    module,
    text,
    training_step,
    weight,
)


@pytest.fixture
def entries(tmp_path):
    """Write steps, given as lists of events, and return what they leave."""
    count = iter(range(100))

    def made(*steps, sketched=(), limit=None, prepare=None):
        run = TraceBuilder(tmp_path / f"{next(count)}.trace")
        for value in sketched:
            run.writer.add_sketch(digest_of(value), sketch_of(value))
        if prepare is not None:
            prepare(run)
        for events in steps:
            run.step(*events)
        with TraceReader(run.close()) as reader:
            return entries_of(reader, limit)

    return made


def named(found):
    return [(one.step, one.phase.value, one.layer, one.what) for one in found]


def whats(found):
    return [(one.layer, one.what.removeprefix("exact ")) for one in found]


def test_a_step_leaves_its_entries_in_order_with_what_was_before_in_front(tmp_path):
    with TraceReader(recorded(tmp_path / "a.trace", steps=2)) as reader:
        found = entries_of(reader, None)
    step = [
        ("data", "", "batch"),
        ("data", "Net", "input"),
        ("forward", "Net.conv", "output"),
        ("forward", "Net", "output"),
        ("forward", "Net", "loss"),
        ("backward", "Net.conv", "gradients"),
        ("optimizer", "Net.conv", "weights"),
        ("optimizer", "Net.conv", "optimizer state"),
    ]
    expected = [(BEFORE, "init", "Net.conv", "weights")]
    assert named(found) == expected + [(number, *rest) for number in range(2) for rest in step]
    assert all(one.sketch is not None for one in found)


def test_the_parameters_of_a_layer_are_one_entry_whatever_their_order(entries):
    events = [weight("conv.weight", 1), weight("conv.bias", 2)]
    (one,) = entries(events)
    assert entries(events[::-1]) == [one]
    assert whats([one]) == [("Net.conv", "weights")]


@pytest.mark.parametrize(
    "changed",
    [
        [weight("conv.weight", 2), weight("conv.bias", 1)],
        [weight("conv.weight", 1), weight("conv.bias", 3)],
        [weight("conv.weight", 1), weight("conv.scale", 2)],
        [weight("conv.weight", 1)],
    ],
)
def test_any_change_of_a_parameter_changes_the_layers_digest(entries, changed):
    (before,) = entries([weight("conv.weight", 1), weight("conv.bias", 2)])
    (after,) = entries(changed)
    assert (after.identity, after.digest != before.digest) == (before.identity, True)


def test_calls_of_a_layer_are_one_entry_and_their_order_counts(entries):
    one, other = module("conv", None, "x"), module("conv", None, "y")
    ((forth,), (back,)) = entries([one, other]), entries([other, one])
    assert forth.identity == back.identity
    assert forth.digest != back.digest


def test_gradients_are_those_that_the_optimizer_finds_in_the_order_in_which_they_came(entries):
    arriving = [gradient("b.weight", "b"), gradient("a.weight", "a")]
    used = [
        gradient("a.weight", "clipped", kind="grad-used", phase="optimizer"),
        gradient("b.weight", "b", kind="grad-used", phase="optimizer"),
    ]
    found = entries([*arriving, *used])
    assert named(found) == [
        (0, "backward", "Net.b", "exact gradients"),
        (0, "backward", "Net.a", "exact gradients"),
    ]
    unclipped = entries([*arriving, gradient("a.weight", "a", kind="grad-used", phase="optimizer"), used[1]])
    assert found[0] == unclipped[0]
    assert found[1].digest != unclipped[1].digest


def test_without_an_optimizer_gradients_are_those_that_arrive(entries):
    (one,) = entries([gradient("a.weight", 1), gradient("a.weight", 2, kind="grad-accumulated")])
    (other,) = entries([gradient("a.weight", 1), gradient("a.weight", 3, kind="grad-accumulated")])
    assert one.digest != other.digest


def test_the_order_of_samples_is_an_entry_before_the_batch(entries):
    def order(*samples):
        def prepare(run):
            run.stream()
            run.batch(sequence=0, loader=1, iteration=0, index=0, worker=None, samples=samples)

        return prepare

    events = [batch(1, name="Data (loader 1)"), loss(2)]
    one, other = entries(events, prepare=order(3, 1, 2)), entries(events, prepare=order(1, 2, 3))
    assert whats(one)[:2] == [("Data (loader 1)", "batch order"), ("Data (loader 1)", "batch")]
    assert one[0].digest != other[0].digest
    assert one[1:] == other[1:]
    assert one[0].sketch is None


def test_strings_and_gradients_of_outputs_leave_no_entry(entries):
    events = [text("name"), Happening("backward", "grad-output", outputs=1, module="conv"), loss(2)]
    assert whats(entries(events)) == [("Net", "loss")]


def test_what_has_no_sketch_is_apart_from_what_has_one(entries):
    values = [Numbers("mean"), Numbers("variance")]
    events = [
        weight("norm.running_mean", values[0], kind="buffer"),
        weight("norm.running_var", values[1], kind="buffer"),
        weight("norm.batches", 5, kind="buffer"),
    ]
    found = entries(events, sketched=values)
    assert [(one.what, one.sketch is None) for one in found] == [("buffers", False), ("exact buffers", True)]
    assert found[0].sketch.count == 24


def test_counts_of_steps_are_apart_from_the_rest_of_the_optimizers_state(entries):
    average, count = Numbers("average"), Numbers("count", count=1)
    events = [
        Happening("optimizer", "optimizer-state", "weight.exp_avg", outputs=average, module="a"),
        Happening("optimizer", "optimizer-state", "weight.step", outputs=count, module="a"),
        Happening("optimizer", "optimizer-state", "weight.step", outputs=count, module="b"),
    ]
    found = entries(events, sketched=[average, count])
    assert named(found) == [
        (0, "optimizer", "Net.a", "optimizer state"),
        (0, "optimizer", "", "exact step counts"),
    ]


def test_only_complete_steps_count_and_only_as_many_as_are_asked_for(tmp_path):
    run = TraceBuilder(tmp_path / "a.trace")
    for step in range(3):
        run.step(*training_step(step))
    run.step(model_input("more"), complete=False)
    with TraceReader(run.close()) as reader:
        assert {one.step for one in entries_of(reader, None)} == {0, 1, 2}
        assert {one.step for one in entries_of(reader, 2)} == {0, 1}


def test_only_the_main_thread_counts(tmp_path):
    run = TraceBuilder(tmp_path / "a.trace")
    run.step(loss("main"))
    run.step(loss("other"), stream=("main", "worker", StreamRole.THREAD))
    with TraceReader(run.close()) as reader:
        assert len(entries_of(reader, None)) == 1


def test_a_program_whose_main_thread_does_nothing_leaves_nothing(tmp_path):
    run = TraceBuilder(tmp_path / "a.trace")
    run.step(loss("other"), stream=("worker", "main", StreamRole.PROCESS))
    with TraceReader(run.close()) as reader:
        assert entries_of(reader, None) == []


def test_an_entry_leads_back_to_its_line(tmp_path):
    with TraceReader(recorded(tmp_path / "a.trace")) as reader:
        found = entries_of(reader, None)
        lines = [site_of(reader, one) for one in found]
        assert lines[0] == Site("train.py", 2, "main", "x = f(x)")
        assert lines[-1].line == 7
    with TraceReader(recorded(tmp_path / "b.trace", steps=1)) as shorter:
        assert site_of(shorter, found[-1]) is None
