"""Halving finds the sources that are needed, in few trials, and leaves out what makes the program fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from detaudit.diagnose.trials import bearable, needed

SOURCES = [SimpleNamespace(name=f"source {number}") for number in range(15)]


class Program:
    """Runs are equal where all guilty sources are held; they fail where one of the fatal ones is."""

    def __init__(self, guilty=(), fatal=()):
        self.guilty = {f"source {number}" for number in guilty}
        self.fatal = {f"source {number}" for number in fatal}
        self.trials = 0

    def hold(self, sources, _why):
        self.trials += 1
        names = {one.name for one in sources}
        failed = "the program failed" if names & self.fatal else None
        return SimpleNamespace(failed=failed, settled=failed is None and self.guilty <= names)


@pytest.mark.parametrize("guilty", [{0}, {14}, {7}, {0, 1}, {3, 11}, {2, 6, 13}, set(range(15))])
def test_what_is_needed_is_found_and_nothing_else(guilty):
    program = Program(guilty)
    found = needed(SOURCES, program.hold)
    assert {one.name for one in found} == program.guilty


@pytest.mark.parametrize(("number", "most"), [(0, 5), (14, 9)])
def test_a_single_source_of_fifteen_takes_few_trials_and_a_likely_one_fewer(number, most):
    program = Program({number})
    needed(SOURCES, program.hold)
    assert program.trials <= most


def test_sources_that_make_the_program_fail_are_left_out_and_named():
    program = Program({4}, fatal={2, 9})
    held, failing, trial = bearable(SOURCES, program.hold)
    assert {one.name for one in failing} == program.fatal
    assert trial.settled
    assert len(held) == 13


def test_where_nothing_fails_one_trial_is_enough():
    program = Program({4})
    held, failing, trial = bearable(SOURCES, program.hold)
    assert (len(held), failing, program.trials) == (15, [], 1)
    assert trial.settled
