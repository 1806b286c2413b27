"""Sketches: the relative difference that two of them give, held against the true one."""

from __future__ import annotations

import math

import pytest
import torch

from detaudit.digest.sketch import sketch
from detaudit.model.sketch import relative_difference

LOWEST, HIGHEST = 0.4, 1.8
"""Bounds of estimate over truth in all cases below; in 600 random ones it was between 0.45 and 1.51."""

SHAPES = {"one": (1,), "few": (7,), "matrix": (30, 70), "long": (1000, 1000)}


def dense(value, size, generator):
    return value + size * value.abs().mean() * torch.randn(value.shape, generator=generator)


def one_element(value, size, _):
    other = value.clone()
    other.view(-1)[value.numel() // 2] += size * value.norm()
    return other


def one_row(value, size, generator):
    other = value.clone()
    row = other.view(-1)[: max(1, value.numel() // 8)]
    row += size * value.norm() / math.sqrt(row.numel()) * torch.randn(row.shape, generator=generator)
    return other


def proportional(value, size, _):
    return value * (1 + size)


def shifted(value, size, _):
    return value + size * value.abs().mean()


CHANGES = (dense, one_element, one_row, proportional, shifted)


def truth(one, other):
    """The definition: the norm of the difference over the larger of both norms."""
    one, other = one.to(torch.complex128), other.to(torch.complex128)
    return ((one - other).norm() / max(one.norm(), other.norm())).item()


def value_of(shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_estimate_is_near_the_true_difference(change, shape):
    for number, size in enumerate((1e-7, 3e-5, 1e-2, 1.0)):
        generator = torch.Generator().manual_seed(number)
        one = value_of(shape, number)
        other = change(one, size, generator)
        ratio = relative_difference(sketch(one), sketch(other)) / truth(one, other)
        assert LOWEST < ratio < HIGHEST, (change.__name__, shape, size, ratio)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.complex64])
def test_the_estimate_is_near_in_every_dtype(dtype):
    for seed in range(5):
        one = torch.randn((40, 50), dtype=dtype, generator=torch.Generator().manual_seed(seed))
        other = one * (1 + 0.03 * torch.randn(50, generator=torch.Generator().manual_seed(seed)).to(dtype))
        ratio = relative_difference(sketch(one), sketch(other)) / truth(one, other)
        assert LOWEST < ratio < HIGHEST


def test_the_middle_of_many_estimates_is_the_truth():
    ratios = []
    for seed in range(200):
        one = value_of((300,), seed)
        other = dense(one, 1e-3, torch.Generator().manual_seed(1000 + seed))
        ratios.append(relative_difference(sketch(one), sketch(other)) / truth(one, other))
    assert 0.95 < sorted(ratios)[100] < 1.05


def test_a_permutation_is_a_difference():
    one = value_of((1000,), 0)
    assert relative_difference(sketch(one), sketch(one.flip(0))) > 1


def test_equal_values_have_no_difference():
    one = value_of((100_000,), 0)
    assert relative_difference(sketch(one), sketch(one.clone())) == 0.0


def test_two_sizes_are_told_apart():
    one = value_of((3000,), 0)
    near, far = (
        relative_difference(sketch(one), sketch(dense(one, size, torch.Generator().manual_seed(1))))
        for size in (3e-7, 2e-2)
    )
    assert 1e-7 < near < 1e-6
    assert 1e-2 < far < 4e-2


def test_the_sketch_does_not_depend_on_threads():
    value = torch.randn(700, 1500, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            made.append(sketch(value))
    finally:
        torch.set_num_threads(before)
    assert made[0] == made[1] == made[2]


def test_the_sketch_does_not_depend_on_strides():
    value = value_of((40, 50), 0)
    assert sketch(value.t().contiguous().t()) == sketch(value)


def test_containers_are_sketched_in_a_fixed_order():
    one, other = value_of((5,), 0), value_of((5,), 1)
    assert sketch({"b": other, "a": [one]}) == sketch((one, other))
    assert sketch((one, other)) != sketch((other, one))


def test_what_has_no_floating_point_numbers_has_no_sketch():
    values = (torch.arange(3), "text", None, torch.eye(3).to_sparse(), torch.empty(3, device="meta"))
    assert [sketch(value) for value in values] == [None] * 5
    assert sketch((torch.arange(3), torch.ones(2))).count == 2


def test_numbers_that_are_not_finite_are_counted_and_allow_no_estimate():
    made = sketch(torch.tensor([3.0, math.inf, math.nan, 4.0]))
    assert (made.count, made.not_finite, made.norm, made.total) == (4, 2, 5.0, 7.0)
    assert math.isnan(relative_difference(made, made))


def test_sketching_draws_nothing_and_leaves_the_graph_alone():
    value = torch.ones(3, requires_grad=True)
    state = torch.get_rng_state()
    sketch(value * 2)
    assert torch.equal(torch.get_rng_state(), state)
    assert value.grad is None


def test_what_vmap_and_grad_compute_with_has_the_sketch_of_its_numbers():
    """A tensor that torch.func has wrapped has no memory of its own, and is seen all the same."""
    value, seen = torch.randn(3, 4), []

    def noted(row):
        seen.append(sketch(row))
        return row.sum()

    torch.func.vmap(noted)(value)
    assert seen == [sketch(value)]
