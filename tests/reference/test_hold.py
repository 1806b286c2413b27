"""Entries of a run held against those of a reference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detaudit.model.lock import VARIES
from detaudit.model.result import ReferenceState
from detaudit.reference.hold import hold
from tests.locks import entry, exact

LAYERS = [entry(layer="Net.a"), entry(layer="Net.b"), entry(layer="Net.a", step=1)]


def test_equal_entries_are_equal_whatever_their_order():
    held = hold(LAYERS, LAYERS[::-1], None)
    assert (held.state, held.first, held.differing, held.compared) == (ReferenceState.EQUAL, None, 0, 3)
    assert (held.relative, held.difference) == (None, None)


def test_the_first_difference_is_the_first_in_the_order_of_the_run():
    ours = [LAYERS[0], entry(layer="Net.b", size=0.02), entry(layer="Net.a", step=1, size=0.5)]
    held = hold(LAYERS, ours, None)
    assert held.state is ReferenceState.DIFFERS
    assert (held.first.entry, held.differing, held.compared) == (ours[1], 2, 3)
    assert held.relative == pytest.approx(0.5 / 1.5)
    assert (held.difference, held.structural) == ("numeric", False)


@pytest.mark.parametrize(
    ("size", "state"), [(3e-7, ReferenceState.WITHIN_TOLERANCE), (2e-2, ReferenceState.DIFFERS)]
)
def test_a_tolerance_lets_small_differences_pass_and_no_larger_ones(size, state):
    held = hold([entry()], [entry(size=size)], 1e-3)
    assert (held.state, held.differing) == (state, 1)
    assert held.relative == pytest.approx(size, rel=0.05)
    assert (held.first is None) is (state is ReferenceState.WITHIN_TOLERANCE)


def test_with_a_tolerance_the_first_difference_is_the_first_beyond_it():
    ours = [entry(layer="Net.a", size=1e-6), entry(layer="Net.b", size=0.02), LAYERS[2]]
    assert hold(LAYERS, ours, 1e-3).first.entry is ours[1]
    assert hold(LAYERS, ours, None).first.entry is ours[0]


def test_what_cannot_be_estimated_is_never_within_a_tolerance():
    one, other = entry("a"), entry("b")
    spoiled = [replace(each, sketch=replace(each.sketch, not_finite=1)) for each in (one, other)]
    held = hold(spoiled[:1], spoiled[1:], 1e9)
    assert (held.state, held.relative) == (ReferenceState.DIFFERS, None)


def test_what_has_no_sketch_must_have_the_same_bits():
    assert hold([exact(1)], [exact(1)], 0.1).state is ReferenceState.EQUAL
    held = hold([exact(1)], [exact(2)], 1e9)
    assert (held.state, held.difference) == (ReferenceState.DIFFERS, "numeric")


def test_a_layer_that_only_the_run_has_is_a_structural_difference():
    ours = [LAYERS[0], entry(layer="Net.new"), *LAYERS[1:]]
    held = hold(LAYERS, ours, 1e9)
    assert (held.state, held.difference, held.differing) == (ReferenceState.DIFFERS, "structural", 0)
    assert (held.first.there, held.first.here) == (None, ours[1])
    assert (held.only_here, held.only_there) == (("Net.new",), ())


def test_a_layer_that_only_the_reference_has_comes_before_what_differs_for_it():
    ours = [LAYERS[0], entry(layer="Net.a", step=1, size=0.5)]
    held = hold(LAYERS, ours, None)
    assert (held.first.there, held.first.here) == (LAYERS[1], None)
    assert (held.only_here, held.only_there) == ((), ("Net.b",))


def test_a_layer_of_another_name_is_told_by_the_name_that_it_has_now():
    ours = [LAYERS[0], entry(layer="Net.c"), LAYERS[2]]
    held = hold(LAYERS, ours, None)
    assert held.first.entry is ours[1]
    assert (held.only_here, held.only_there) == (("Net.c",), ("Net.b",))


def test_another_number_of_numbers_is_a_structural_difference():
    held = hold([entry(count=12)], [entry(count=16)], 1e9)
    assert (held.state, held.difference, held.differing) == (ReferenceState.DIFFERS, "structural", 1)


def test_a_run_with_fewer_steps_lacks_what_the_later_ones_left():
    held = hold(LAYERS, LAYERS[:2], None)
    assert (held.difference, held.first.there.step) == ("structural", 1)
    assert held.only_there == ()


@pytest.mark.parametrize("ours", [[], [entry("another")], [entry()]])
def test_what_is_known_to_vary_is_not_held(ours):
    varying = replace(entry(), digest=VARIES, sketch=None)
    assert hold([varying, LAYERS[0]], [*ours, LAYERS[0]], None).state is ReferenceState.EQUAL


def test_nothing_is_equal_to_nothing_and_to_nothing_else():
    assert hold([], [], None).state is ReferenceState.EQUAL
    assert hold([], LAYERS, None).state is ReferenceState.DIFFERS
    assert hold(LAYERS, [], None).state is ReferenceState.DIFFERS
