"""Random generators are reported, and never decide."""

from __future__ import annotations

from tests.traces import training_step


def states_of(runs, compared, ours, theirs):
    for run, states in zip(runs, (ours, theirs), strict=True):
        for step, generators in enumerate(states):
            run.step(*training_step(step), generators=generators)
    result = compared(*runs)
    assert result.equal, "generators are no numbers of the training"
    return [(one.generator, one.from_step, one.moved) for one in result.generators]


def test_equal_states_are_not_reported(runs, compared):
    assert states_of(runs, compared, ["torch=aa", "torch=bb"], ["torch=aa", "torch=bb"]) == []


def test_a_state_that_differs_is_reported_from_its_first_step(runs, compared):
    ours, theirs = ["torch=aa,python=01", "torch=bb,python=01"], ["torch=aa,python=01", "torch=cc,python=01"]
    assert states_of(runs, compared, ours, theirs) == [("torch", 1, True)]


def test_a_generator_that_nothing_draws_from_has_not_moved(runs, compared):
    assert states_of(runs, compared, ["numpy=aa"] * 3, ["numpy=bb"] * 3) == [("numpy", 0, False)]


def test_a_generator_that_moves_in_one_run_only_has_moved(runs, compared):
    assert states_of(runs, compared, ["numpy=aa", "numpy=aa"], ["numpy=aa", "numpy=bb"]) == [
        ("numpy", 1, True)
    ]


def test_a_generator_that_one_run_has_not_is_not_compared(runs, compared):
    assert states_of(runs, compared, ["torch=aa"], ["torch=aa,numpy=bb"]) == []
