"""The verdict of a comparison: which differences are faults, and which reach no number."""

from __future__ import annotations

import pytest

from detaudit.compare import compare
from detaudit.errors import TraceError
from detaudit.model.result import DivergenceKind
from detaudit.model.trace import Kind, Phase, StreamRole
from detaudit.trace.reader import TraceReader
from tests.traces import (
    TraceBuilder,
    batch,
    gradient,
    loss,
    model_input,
    module,
    operator,
    text,
    training_step,
    weight,
)

THREAD = ("main", "worker", StreamRole.THREAD)
WORKER = ("loader-worker-0", "main", StreamRole.LOADER_WORKER)


def evaluation(value="e", line=7):
    outermost = module("", "x", value, "eval", line=line)
    return [model_input("x", "eval"), module("conv", "x", value, "eval"), outermost]


def fill(run, steps=4, change_from=99, extra=None, **changes):
    """Write plain training steps; `changes` apply from one step on, `extra` adds events to a step."""
    for step in range(steps):
        happenings = training_step(step, **(changes if step >= change_from else {}))
        run.step(*happenings, *(extra or {}).get(step, []))


def test_equal_runs_agree(runs, compared):
    for run in runs:
        fill(run)
    result = compared(*runs)
    assert result.equal
    assert result.first is None
    assert (result.steps, result.events) == (4, 36)
    assert result.affected is None
    assert result.harmless == ()


@pytest.mark.parametrize("changed", ["conv", "net", "loss", "grad", "used", "weight", "state"])
def test_a_change_of_any_result_is_a_fault(runs, compared, changed):
    fill(runs[0])
    fill(runs[1], change_from=2, **{changed: "other"})
    result = compared(*runs)
    assert not result.equal
    assert result.first.step == 2


def test_the_names_of_the_runs_are_those_given(runs, compared):
    for run in runs:
        fill(run)
    assert compared(*runs, names=("a", "b")).runs == ("a", "b")


def test_the_order_of_events_alone_is_no_difference(runs, compared):
    first, second = runs
    one, other = weight("a.weight", 1), weight("b.weight", 2)
    first.step(*training_step(0), one, other)
    second.step(*training_step(0), other, one)
    assert compared(first, second).equal


def test_the_order_of_two_calls_at_one_place_is_a_difference(runs, compared):
    first, second = runs
    one, other = module("conv", 1, 1), module("conv", 2, 2)
    first.step(*training_step(0), one, other)
    second.step(*training_step(0), other, one)
    assert not compared(first, second).equal


def test_a_step_in_parts_equals_one_in_a_piece_if_the_parts_do(runs, compared):
    for run in runs:
        run.step(*training_step(0), parts=3)
    assert compared(*runs).equal


def test_strings_in_a_batch_are_never_a_fault(runs, compared):
    fill(runs[0], extra={1: [text("id-1")]})
    fill(runs[1], extra={1: [text("id-2")]})
    result = compared(*runs)
    assert result.equal
    assert [one.event.place.kind for one in result.harmless] == [Kind.BATCH_TEXT]


def test_strings_in_a_batch_are_never_the_first_divergence(runs, compared):
    runs[0].step(text("id-1"), *training_step(0))
    runs[1].step(text("id-2"), *training_step(0, conv="other", weight="other"))
    result = compared(*runs)
    assert result.first.event.place.kind is Kind.MODULE
    assert [one.event.place.kind for one in result.harmless] == [Kind.BATCH_TEXT]


def test_one_more_evaluation_is_harmless_if_the_training_agrees(runs, compared):
    fill(runs[0], extra={1: evaluation()})
    fill(runs[1], extra={2: evaluation()})
    result = compared(*runs)
    assert result.equal
    assert {one.step for one in result.harmless} <= {1, 2}
    assert all(one.kind is DivergenceKind.STRUCTURE for one in result.harmless)
    assert result.harmless != ()


def test_one_more_evaluation_is_the_origin_if_the_training_differs_later(runs, compared):
    fill(runs[0])
    fill(runs[1], extra={1: evaluation()}, change_from=3, conv="other", weight="other")
    result = compared(*runs)
    assert not result.equal
    assert (result.first.step, result.first.kind) == (1, DivergenceKind.STRUCTURE)
    assert result.first.first is None
    assert result.first.event.place.phase is Phase.EVAL
    assert result.harmless == ()


def test_evaluations_behind_an_extra_one_may_differ(runs, compared):
    fill(runs[0], extra={3: evaluation("e")})
    fill(runs[1], extra={1: evaluation("e"), 3: evaluation("draws on")})
    assert compared(*runs).equal


def test_evaluations_that_differ_with_no_extra_one_before_are_a_fault(runs, compared):
    fill(runs[0], extra={3: evaluation("e")})
    fill(runs[1], extra={3: evaluation("noise")})
    result = compared(*runs)
    assert not result.equal
    assert result.first.event.place.phase is Phase.EVAL
    assert result.first.event.place.module == "conv"


def test_evaluations_by_the_clock_may_see_other_numbers_each_time(runs, compared):
    """A line that evaluates at other steps in each run is a preview: what it shows trains nothing."""
    fill(runs[0], extra={1: evaluation("one"), 2: evaluation("two")})
    fill(runs[1], extra={1: evaluation("other"), 3: evaluation("another")})
    assert compared(*runs).equal


def test_evaluations_that_differ_before_one_more_on_another_line_are_a_fault(runs, compared):
    """The best score so far decides whether the model is tested: the scores are the fault."""
    fill(runs[0], extra={1: evaluation("e")})
    fill(runs[1], extra={1: evaluation("noise"), 3: evaluation("e", line=90)})
    result = compared(*runs)
    assert not result.equal
    assert result.first.step == 1


def test_an_extra_evaluation_excuses_no_forward_pass(runs, compared):
    fill(runs[0])
    fill(runs[1], extra={1: evaluation()}, change_from=2, conv="other")
    result = compared(*runs)
    assert not result.equal
    assert result.first.step == 2, "the training agrees, so the fault is the forward pass itself"
    assert result.first.event.place.phase is Phase.FORWARD


def test_a_harmless_extra_call_of_a_module_in_the_same_step_shifts_nothing(runs, compared):
    logging = module("conv", "fixed image", "its features")
    fill(runs[0])
    for step in range(4):
        runs[1].step(*([logging] if step == 2 else []), *training_step(step))
    result = compared(*runs)
    assert result.equal
    assert [(one.kind, one.step) for one in result.harmless] == [(DivergenceKind.STRUCTURE, 2)]


def test_an_extra_batch_is_harmless_if_the_training_agrees(runs, compared):
    fill(runs[0])
    fill(runs[1], extra={1: [batch("peek")]})
    assert compared(*runs).equal


def test_an_extra_batch_is_the_origin_if_the_training_differs(runs, compared):
    fill(runs[0])
    fill(runs[1], extra={1: [batch("peek")]}, change_from=2, batch="shifted", weight="other")
    result = compared(*runs)
    assert (result.first.step, result.first.event.place.kind) == (1, Kind.BATCH)


def test_an_extra_operator_is_harmless_if_the_training_agrees(runs, compared):
    fill(runs[0])
    fill(runs[1], extra={1: [operator("aten::rand", None, "draw")]})
    assert compared(*runs).equal


def test_an_operator_whose_result_reaches_nothing_is_harmless(runs, compared):
    fill(runs[0], extra={1: [operator("aten::rand", None, "draw")]})
    fill(runs[1], extra={1: [operator("aten::rand", None, "another draw")]})
    result = compared(*runs)
    assert result.equal
    assert [one.event.place.name for one in result.harmless] == ["aten::rand"]


def test_an_operator_whose_result_reaches_a_module_is_the_origin(runs, compared):
    for run, value in zip(runs, (1, 2), strict=True):
        run.step(operator("aten::rand", None, value), *training_step(0, conv=value, weight=value))
    assert compared(*runs).first.event.place.name == "aten::rand"


@pytest.mark.parametrize(
    "extra",
    [
        gradient("fc.weight", 1),
        gradient("fc.weight", 1, kind="grad-accumulated"),
        gradient("fc.weight", 1, kind="grad-used", phase="optimizer"),
        weight("fc.weight", 1),
        weight("bn.mean", 1, kind="buffer"),
        loss(1),
    ],
)
def test_a_missing_event_of_the_training_is_a_fault(runs, compared, extra):
    fill(runs[0], extra={1: [extra]})
    fill(runs[1])
    result = compared(*runs)
    assert (result.first.kind, result.first.step) == (DivergenceKind.STRUCTURE, 1)
    assert result.first.second is None


def test_one_more_step_is_a_fault(runs, compared):
    fill(runs[0], steps=4)
    fill(runs[1], steps=5)
    result = compared(*runs)
    assert not result.equal
    assert (result.first.step, result.first.first, result.steps) == (4, None, 4)
    assert result.first.event.place.phase is Phase.OPTIMIZER, "what parts the runs is that one goes on"


def test_one_more_step_comes_before_the_final_evaluation_of_the_shorter_run(runs, compared):
    fill(runs[0], steps=4)
    runs[0].step(*evaluation(), complete=False)
    fill(runs[1], steps=5)
    runs[1].step(*evaluation(), complete=False)
    result = compared(*runs)
    assert (result.first.step, result.first.event.place.phase) == (4, Phase.OPTIMIZER)


def test_a_step_that_only_one_run_completes_is_a_fault_even_with_equal_events(runs, compared):
    runs[0].step(*training_step(0), complete=True)
    runs[1].step(*training_step(0), complete=False)
    result = compared(*runs)
    assert not result.equal
    assert result.first.kind is DivergenceKind.STRUCTURE


def test_an_event_without_outputs_is_compared_on_its_inputs(runs, compared):
    for run in runs:
        run.step(*training_step(0), module("gate", "x", None))
    assert compared(*runs).equal


def test_what_goes_in_and_changes_no_result_is_harmless(runs, compared):
    fill(runs[0])
    fill(runs[1], change_from=2, batch="other")
    result = compared(*runs)
    assert result.equal
    assert result.harmless[0].event.place.kind is Kind.BATCH


def test_an_event_without_outputs_whose_inputs_differ_is_harmless(runs, compared):
    for run, value in zip(runs, "xy", strict=True):
        run.step(*training_step(0), module("gate", value, None))
    assert compared(*runs).equal


def test_loader_workers_never_decide(runs, compared):
    for run, count in zip(runs, (2, 3), strict=True):
        fill(run)
        for step in range(count):
            run.step(batch(("prefetched", count, step)), stream=WORKER)
    assert compared(*runs).equal


def test_the_reach_counts_weights_and_modules_that_differ(runs, compared):
    fill(runs[0])
    fill(runs[1], change_from=2, conv="other", net="other", weight="other")
    reach = compared(*runs).affected
    assert (reach.weights, reach.layers, reach.from_step) == (1, 2, 2)


def test_traces_of_different_levels_are_refused(tmp_path, compared):
    with pytest.raises(TraceError) as caught:
        compared(TraceBuilder(tmp_path / "1"), TraceBuilder(tmp_path / "2", level="op"))
    assert caught.value.slug == "trace-not-comparable"
    assert "level" in caught.value.hint


def test_traces_of_different_digests_are_refused(tmp_path, compared):
    with pytest.raises(TraceError) as caught:
        compared(TraceBuilder(tmp_path / "1"), TraceBuilder(tmp_path / "2", digest="test/2"))
    assert caught.value.slug == "trace-not-comparable"


def test_two_empty_traces_have_nothing_in_common(runs, compared):
    result = compared(*runs)
    assert (result.equal, result.steps, result.events) == (True, 0, 0)


def test_long_runs_that_differ_everywhere_open_few_steps(runs, monkeypatch):
    for run, value in zip(runs, (1, 2), strict=True):
        fill(run, steps=200, change_from=0, conv=value, weight=value)
    opened = []
    original = TraceReader.step
    monkeypatch.setattr(TraceReader, "step", lambda self, *at: opened.append(at) or original(self, *at))
    with TraceReader(runs[0].close()) as first, TraceReader(runs[1].close()) as second:
        result = compare(first, second)
    assert (result.equal, result.steps, result.events) == (False, 200, 1800)
    assert len(opened) < 60


@pytest.mark.parametrize("differs_at", [None, 4], ids=["texts alone", "and a weight later"])
def test_texts_that_differ_in_every_step_hide_nothing(runs, compared, differs_at):
    """A text that differs is listed once, all events count, and a number that differs later is found."""
    for number, run in enumerate(runs):
        for step in range(6):
            changes = {"weight": f"other {number}"} if step == differs_at else {}
            run.step(text(f"id-{number}-{step}"), *training_step(step, **changes))

    result = compared(*runs)

    assert result.equal is (differs_at is None)
    assert result.events == 60
    assert [one.event.place.kind for one in result.harmless] == [Kind.BATCH_TEXT]
    assert (result.first and result.first.step) == differs_at
