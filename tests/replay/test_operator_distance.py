"""One definition of units in the last place and of relative error, for operators that are replayed too."""

from __future__ import annotations

import math

import pytest
import torch

from detaudit.replay.distance import apart, difference

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0], [0.99999994]),
        ([0.0], [1e-7]),
        ([1.0, 0.0], [1.0, 1e-7]),
        ([-1.0, 2.0], [1.0, 2.0]),
        ([1e30], [1.1e30]),
        ([1 + 1j], [1 + 2j]),
    ],
)
def test_a_replay_measures_as_layers_and_axes_are_measured(first, second):
    ones, others = torch.tensor(first), torch.tensor(second)
    found, expected = difference(ones, others), apart(ones, others)
    assert (found.relative, found.ulp, found.elements) == (
        expected.relative,
        expected.ulp,
        expected.elements,
    )


@pytest.mark.parametrize(
    ("dtype", "first", "second", "ulp"),
    [
        (torch.float32, 1.0, 1.0 + 2**-23, 1),
        (torch.float32, 0.0, -0.0, 0),
        (torch.float64, 1.0, 1.0 + 2**-52, 1),
        (torch.float16, 1.0, 1.0 + 3 * 2**-10, 3),
        (torch.bfloat16, -1.0, -1.0 - 2**-7, 1),
        (torch.float8_e4m3fn, 1.0, 1.25, 2),
        (torch.int32, 4, 5, None),
        (torch.bool, False, True, None),
    ],
)
def test_units_in_the_last_place_are_spacings_of_the_format_and_none_for_whole_numbers(
    dtype, first, second, ulp
):
    one, other = (torch.tensor([value], dtype=torch.float64).to(dtype) for value in (first, second))
    assert difference(one, other).ulp == ulp
    assert difference(one, one).ulp in {0, None}


def test_tensors_of_other_shapes_are_infinitely_far_apart():
    assert difference(torch.ones(2), torch.ones(3)).absolute == INF


def test_half_a_spacing_below_a_power_of_two_is_half_a_unit():
    assert difference(torch.tensor([1.0]), torch.tensor([0.99999994])).ulp == 0.5


def test_what_is_nan_on_one_side_is_counted_and_spoils_no_distance():
    found = difference(torch.tensor([NAN, 1.0]), torch.tensor([2.0, 1.5]))
    assert (found.not_a_number, found.elements, found.absolute) == (1, 2, 0.5)
    assert math.isfinite(found.relative)


def test_infinity_is_infinitely_far_from_a_number_and_at_no_distance_from_itself():
    assert difference(torch.tensor([INF]), torch.tensor([1.0])).relative == INF
    assert difference(torch.tensor([INF]), torch.tensor([INF])).relative == 0
