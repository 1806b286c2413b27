"""Which of many divergences is called the first."""

from __future__ import annotations

import pytest

from detaudit.model.result import DivergenceKind
from detaudit.model.trace import Kind, Phase
from tests.traces import batch, gradient, loss, model_input, module, operator, training_step, weight


def first_of(runs, compared, ours, theirs):
    runs[0].step(*ours)
    runs[1].step(*theirs)
    return compared(*runs).first


def test_the_first_module_whose_inputs_agree_is_the_origin(runs, compared):
    def step(value):
        return [
            module("a", 1, 2),
            module("b", 2, value),
            module("c", value, ("c", value)),
            module("", 1, ("n", value)),
        ]

    first = first_of(runs, compared, step(3), step(4))
    assert (first.event.place.module, first.origin, first.kind) == ("b", True, DivergenceKind.VALUE)


def test_code_between_two_modules_is_attributed_to_the_module_around_it(runs, compared):
    def step(noise):
        return [
            module("block.a", 1, 2),
            module("block.b", (2, noise), (3, noise)),
            module("block", 1, (3, noise)),
            module("", 1, (4, noise)),
        ]

    first = first_of(runs, compared, step(0), step(1))
    assert (first.event.place.module, first.origin) == ("block", True)


def test_a_module_with_another_root_is_not_around_it(runs, compared):
    def step(noise):
        return [module("a", noise, (1, noise), root="G"), module("", 1, (2, noise), root="D")]

    first = first_of(runs, compared, step(0), step(1))
    assert (first.event.place.root, first.origin) == ("G", False)


def test_a_name_that_only_begins_alike_is_not_around_it(runs, compared):
    def step(noise):
        return [module("layer1.a", noise, (1, noise)), module("layer", 1, (2, noise))]

    assert first_of(runs, compared, step(0), step(1)).origin is False


def test_a_module_whose_inputs_come_from_outside_is_a_receiver(runs, compared):
    def step(noise):
        return [module("a", noise, (1, noise)), module("", noise, (2, noise))]

    first = first_of(runs, compared, step(0), step(1))
    assert (first.event.place.module, first.origin) == ("a", False)


def test_an_input_of_the_model_that_differs_is_an_origin(runs, compared):
    def step(noise):
        return [batch(1), model_input(noise), module("a", noise, noise), module("", noise, noise)]

    first = first_of(runs, compared, step(0), step(1))
    assert (first.event.place.kind, first.origin) == (Kind.INPUT, True)


def test_an_operator_that_receives_something_from_outside_is_named_itself(runs, compared):
    def step(noise):
        return [
            operator("aten::add", (1, noise), (2, noise), path="a"),
            module("a", 1, (2, noise)),
            module("", 1, noise),
        ]

    first = first_of(runs, compared, step(0), step(1))
    assert (first.event.place.name, first.origin) == ("aten::add", False)


def test_structure_before_every_value_is_first(runs, compared):
    extra = module("dropout", 1, 1)
    first = first_of(
        runs, compared, training_step(0), [extra, *training_step(0, conv="other", weight="other")]
    )
    assert (first.kind, first.event.place.module, first.first) == (DivergenceKind.STRUCTURE, "dropout", None)


def test_structure_behind_a_value_is_not_first(runs, compared):
    extra = module("dropout", 1, 1)
    first = first_of(
        runs, compared, training_step(0), [*training_step(0, conv="other", weight="other"), extra]
    )
    assert (first.kind, first.event.place.module) == (DivergenceKind.VALUE, "conv")


def test_what_each_run_has_alone_is_ordered_by_common_neighbours(runs, compared):
    ours = [module("a", 1, 1), module("x", 1, 1), module("b", 1, 1), *training_step(0)]
    theirs = [module("y", 1, 1), module("a", 1, 1), module("b", 1, 1), *training_step(0, weight="other")]
    assert first_of(runs, compared, ours, theirs).event.place.module == "y"


def evaluation(first_batch):
    return [module("conv", first_batch, 1, "eval"), module("", first_batch, 1, "eval")]


@pytest.mark.parametrize("fetched", [[], [batch("held out")], [batch("held out"), model_input("held out")]])
def test_an_evaluation_of_one_run_alone_is_named_by_its_outermost_module(runs, compared, fetched):
    theirs = [*fetched, *evaluation("held out"), *training_step(0, weight="other")]
    first = first_of(runs, compared, training_step(0), theirs)
    assert (first.kind, first.event.place.phase) == (DivergenceKind.STRUCTURE, Phase.EVAL)
    assert first.event.place.module == "", "where the program evaluates, not what the model calls"


def test_a_batch_that_one_run_alone_trains_on_is_named_itself(runs, compared):
    theirs = [batch("more"), module("conv", "more", 1), *evaluation("x"), *training_step(0, weight="other")]
    first = first_of(runs, compared, training_step(0), theirs)
    assert (first.kind, first.event.place.kind) == (DivergenceKind.STRUCTURE, Kind.BATCH)


@pytest.mark.parametrize(
    ("happening", "kind"),
    [
        (lambda value: gradient("w", value, kind="grad-used", phase="optimizer"), Kind.GRAD_USED),
        (lambda value: weight("w", value), Kind.WEIGHT),
        (loss, Kind.LOSS),
        (lambda value: weight("w", value, phase="init"), Kind.WEIGHT),
    ],
)
def test_what_has_no_inputs_is_an_origin_if_all_before_it_agrees(runs, compared, happening, kind):
    first = first_of(runs, compared, [batch(1), happening(1)], [batch(1), happening(2)])
    assert (first.event.place.kind, first.origin) == (kind, True)


def others_of(runs, compared, ours, theirs):
    for run, steps in zip(runs, (ours, theirs), strict=True):
        for step in steps:
            run.step(*step)
    return [(one.step, one.event.place.kind.value, one.event.place.module) for one in compared(*runs).others]


def test_a_second_independent_operator_is_a_further_origin(runs, compared):
    def step(noise):
        return [
            operator("aten::scatter", 1, noise, path="a"),
            module("a", 1, noise),
            operator("aten::rand", 5, noise, path="b"),
            module("b", 5, noise),
            module("", 1, noise),
        ]

    assert others_of(runs, compared, [step(0)], [step(1)]) == [(0, "op", "b"), (0, "module", "b")][:1]


def test_what_follows_from_the_first_is_no_further_origin(runs, compared):
    ours = [training_step(0), training_step(1)]
    changed = {"conv": "x", "net": "x", "loss": "x", "grad": "x", "used": "x", "weight": "x", "state": "x"}
    theirs = [training_step(0, **changed), training_step(1, **changed)]
    assert others_of(runs, compared, ours, theirs) == []


def test_a_second_module_in_the_same_step_is_a_further_origin(runs, compared):
    def step(noise):
        return [module("a", 1, noise), module("b", 5, noise), module("", 1, noise), weight("a.weight", noise)]

    assert others_of(runs, compared, [step(0)], [step(1)]) == [(0, "module", "b")]


def test_batches_that_differ_later_are_a_further_origin(runs, compared):
    ours = [training_step(0), training_step(1)]
    theirs = [training_step(0, conv="x", weight="x"), training_step(1, batch="other", conv="x", weight="x")]
    assert others_of(runs, compared, ours, theirs) == [(1, "batch", None)]
