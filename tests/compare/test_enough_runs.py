"""How many equal pairs it takes before chance is no explanation."""

from __future__ import annotations

import random

import pytest

from detaudit.compare.enough_runs import DOUBT, MOST_PAIRS, luck, pairs_needed


def test_the_chance_is_the_mean_over_all_rates_that_fit_what_was_seen():
    draw = random.Random(0)
    rates = [draw.betavariate(1 + 3, 1 + 1) for _ in range(200_000)]
    simulated = sum((1 - rate) ** 2 for rate in rates) / len(rates)
    assert luck(3, 4, 2) == pytest.approx(simulated, rel=0.02)


def test_a_difference_in_every_pair_is_settled_by_few_equal_ones():
    assert pairs_needed(6, 6) == 2
    assert luck(6, 6, 2) <= DOUBT < luck(6, 6, 1)


def test_a_rare_difference_takes_more_equal_pairs_than_a_common_one():
    assert pairs_needed(1, 6) > pairs_needed(3, 6) > pairs_needed(6, 6)


def test_without_any_difference_no_number_of_equal_pairs_is_enough():
    assert pairs_needed(0, 20) == MOST_PAIRS
