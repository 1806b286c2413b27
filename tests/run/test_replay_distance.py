"""One definition of units in the last place and of relative error, for operators that are replayed too."""

from __future__ import annotations

import math

import pytest
import torch

from detaudit.digest.apart import apart
from detaudit.run.replay import _difference

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
    found, expected = _difference(ones, others), apart(ones, others)
    assert (found.relative, found.ulp, found.elements) == (
        expected.relative,
        expected.ulp,
        expected.elements,
    )


def test_half_a_spacing_below_a_power_of_two_is_half_a_unit():
    assert _difference(torch.tensor([1.0]), torch.tensor([0.99999994])).ulp == 0.5


def test_what_is_nan_on_one_side_is_counted_and_spoils_no_distance():
    found = _difference(torch.tensor([NAN, 1.0]), torch.tensor([2.0, 1.5]))
    assert (found.not_a_number, found.elements, found.absolute) == (1, 2, 0.5)
    assert math.isfinite(found.relative)


def test_infinity_is_infinitely_far_from_a_number_and_at_no_distance_from_itself():
    assert _difference(torch.tensor([INF]), torch.tensor([1.0])).relative == INF
    assert _difference(torch.tensor([INF]), torch.tensor([INF])).relative == 0
