"""Sketches of several values together, and what they say about differences."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from detaudit.model.sketch import BUCKETS, Sketch, combined, relative_difference


def made(*sums, count=10):
    padded = (*sums, *[0.0] * (BUCKETS - len(sums)))
    return Sketch(math.hypot(*sums), math.fsum(sums), padded, count)


def test_nothing_combines_to_nothing():
    assert combined({}) is None


def test_norms_sums_and_counts_add_up():
    both = combined({"a": made(3.0), "b": made(0.0, 4.0, count=5)})
    assert (both.norm, both.total, both.count, both.not_finite) == (5.0, 7.0, 15, 0)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sums", [(5.0,), (3.0, 4.0, 1.0, 2.0), tuple(range(1, 17))])
def test_equal_and_opposite_changes_of_two_values_do_not_cancel(sums, sign):
    norm = math.hypot(*sums)
    before = made(*sums)
    after, second = (made(*(value * (1 + size) for value in sums)) for size in (0.1, sign * 0.1))
    names = [f"layer{number}.weight" for number in range(40)]
    # What counts is the projection, so the norms are held equal.
    estimates = [
        relative_difference(
            combined({names[0]: before, other: before}),
            replace(combined({names[0]: after, other: second}), norm=norm * math.sqrt(2)),
        )
        for other in names[1:]
    ]
    assert sum(estimate > 0.03 for estimate in estimates) >= 0.9 * len(estimates)


def test_the_order_of_values_does_not_matter_but_their_names_do():
    one, other = made(1.0, 2.0, 3.0, 4.0), made(5.0)
    assert combined({"weight": one, "bias": other}) == combined({"bias": other, "weight": one})
    swapped = combined({"weight": other, "bias": one})
    assert relative_difference(combined({"weight": one, "bias": other}), swapped) > 0.1


@pytest.mark.parametrize(
    "other",
    [replace(made(1.0), not_finite=1), replace(made(1.0), count=11), replace(made(1.0), norm=math.inf)],
)
def test_nothing_is_said_where_nothing_can_be_said(other):
    assert math.isnan(relative_difference(made(1.0), other))
    assert math.isnan(relative_difference(other, made(1.0)))


def test_zeros_do_not_differ():
    assert relative_difference(made(0.0), made(0.0)) == 0.0


def test_the_norm_speaks_where_the_sums_do_not():
    assert relative_difference(made(1.0), replace(made(1.0), norm=2.0)) == pytest.approx(0.5)
