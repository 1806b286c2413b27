from __future__ import annotations

import math

import pytest
import torch

from detaudit.replay.distance import apart

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)
BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


def tensor(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_neighbours_are_one_unit_apart_in_every_dtype(dtype):
    next_to_one = tensor(1 + torch.finfo(dtype).eps, 3.0, dtype=dtype)
    assert apart(tensor(1.0, 3.0, dtype=dtype), next_to_one).ulp == 1
    assert apart(next_to_one, next_to_one).ulp == 0


@pytest.mark.parametrize("dtype", BITS, ids=str)
def test_the_smallest_number_is_one_unit_from_zero(dtype):
    least = torch.tensor([1], dtype=BITS[dtype]).view(dtype)
    assert apart(least, torch.zeros(1, dtype=dtype)).ulp == 1


@pytest.mark.parametrize("dtype", BITS, ids=str)
def test_numbers_at_the_end_of_the_range_do_not_overflow(dtype):
    most = torch.finfo(dtype).max
    measured = apart(tensor(most, dtype=dtype), tensor(most / 2, dtype=dtype))
    assert measured.relative == pytest.approx(0.5)
    assert math.isfinite(measured.ulp)


def test_units_are_those_of_the_coarser_dtype_at_the_larger_number():
    fine, coarse = tensor(1.0, 4.0), tensor(1.0, 4.03125, dtype=torch.bfloat16)
    assert apart(fine, coarse) == apart(coarse, fine)
    assert apart(fine, coarse).ulp == 1


def test_elements_that_differ_are_counted_by_their_bits():
    first = torch.zeros(2, 3)
    second = first.clone()
    second[1] = -0.0
    measured = apart(first, second)
    assert (measured.elements, measured.of, measured.ulp, measured.relative) == (3, 6, 0, 0)


def test_the_same_nan_and_infinity_are_equal():
    value = tensor(math.nan, math.inf, -math.inf, 1.0)
    assert apart(value, value.clone()).elements == 0
    assert apart(value, tensor(math.nan, math.inf, -math.inf, 2.0)).relative == 0.5


@pytest.mark.parametrize("other", [0.0, math.inf, -math.inf])
def test_nan_on_one_side_is_infinitely_far(other):
    measured = apart(tensor(math.nan, 1.0), tensor(other, 1.0))
    assert math.isnan(measured.relative)
    assert measured.ulp == math.inf


def test_whole_numbers_are_apart_by_their_difference_even_where_float64_sees_none():
    assert apart(torch.tensor([3, 7]), torch.tensor([3, 9])).ulp == 2
    large = torch.tensor([2**62])
    assert apart(large, large + 1).ulp == 1
    assert apart(torch.tensor([True, False]), torch.tensor([True, True])).elements == 1


def test_a_complex_number_differs_as_one_element():
    measured = apart(torch.tensor([1 + 1j, 2]), torch.tensor([1 + 2j, 2]))
    assert (measured.elements, measured.of) == (1, 2)
    assert measured.relative == pytest.approx(1 / 3)


def test_layout_and_memory_do_not_matter():
    value = torch.arange(6.0).reshape(2, 3)
    assert apart(value, value.t().contiguous().t()).elements == 0
    assert apart(value.to_sparse(), value).elements == 0
    assert apart(torch.zeros(0), torch.zeros(0)).of == 0


def test_two_shapes_cannot_be_compared():
    with pytest.raises(ValueError, match="shapes differ"):
        apart(torch.zeros(2), torch.zeros(2, 1))
