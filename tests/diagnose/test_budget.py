"""What looking for a cause may cost: runs, or seconds."""

from __future__ import annotations

import pytest

from detaudit.config import resolve
from detaudit.diagnose.budget import Budget
from detaudit.errors import UsageError


def test_a_budget_of_runs_is_spent_when_no_pair_is_left():
    budget = Budget("6")
    budget.runs = 4
    assert not budget.is_spent
    budget.runs = 5
    assert budget.is_spent


def test_a_budget_of_seconds_counts_no_runs():
    budget = Budget("300s")
    budget.runs = 10_000
    assert not budget.is_spent
    assert Budget("0s").is_spent


def test_what_is_left_is_said_in_runs_and_about_how_long_they_take():
    budget = Budget("32")
    budget.runs = 2
    assert budget.left_in_words(4.0, 1) == "at most 30 more runs, 2 min"
    assert budget.left_in_words(4.0, 3) == "at most 30 more runs, 40 s"


@pytest.mark.parametrize("text", ["12", "90s", "7.5s"])
def test_runs_and_seconds_are_understood(text):
    assert resolve({"budget": text}).budget == text


@pytest.mark.parametrize("text", ["", "-3", "ten", "5 minutes", "3m"])
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="budget"):
        resolve({"budget": text})
