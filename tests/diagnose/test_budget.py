"""What looking for a cause may cost: runs, or seconds."""

from __future__ import annotations

import pytest

from detaudit.config import resolve
from detaudit.diagnose.budget import Budget
from detaudit.diagnose.case import Case
from detaudit.diagnose.trials import DIVIDING, DROPPING, in_words
from detaudit.errors import UsageError
from detaudit.model.plan import Intervention, RunPlan, Target, TargetKind
from detaudit.model.trace import Level
from detaudit.run.progress import Silence
from detaudit.run.runs import Runs
from detaudit.sources.catalogue import SOURCES


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


@pytest.mark.parametrize("why", [DIVIDING, DROPPING, "seen at work", "all at once: is it any of them?"])
def test_what_is_tried_is_said_in_a_line_of_at_most_a_hundred_characters(tmp_path, why):
    told = []
    progress = Silence()
    progress.note = told.append
    case = Case(RunPlan(Target(TargetKind.SCRIPT, "train.py"), 2, Level.LAYER, 0), Runs(tmp_path, progress))
    held = tuple(Intervention(source.name) for source in SOURCES)
    for number in range(len(held)):
        case.announce(f"holding {in_words(held[number:])} fixed", why)
    assert all(len(f"detaudit: {line}") <= 100 for line in told)
    assert all(why in line and "at most 32 more runs" in line for line in told)
