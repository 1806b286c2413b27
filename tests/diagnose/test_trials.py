"""Trials: which of their runs may go side by side."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from detaudit.diagnose.trials import Laboratory
from detaudit.model.plan import Intervention


class MadeError(Exception):
    """Runs were asked for."""


@pytest.fixture
def laboratory():
    """Make a laboratory that starts nothing, and says how many runs were to go side by side."""

    def run_again(_folder, *, jobs, **_how):
        raise MadeError(jobs)

    budget = SimpleNamespace(is_spent=False, runs=0, runs_left=None)
    case = SimpleNamespace(run_again=run_again, announce=print, budget=budget, side_by_side=2)
    return Laboratory(case)


@pytest.mark.parametrize(
    ("held", "operations", "jobs"),
    [
        ("os-entropy", {"tempfile"}, 1),
        ("os-entropy", {"os.urandom"}, None),
        ("clock", {"tempfile", "time.time"}, None),
    ],
)
def test_runs_with_the_same_names_for_temporary_files_go_one_after_the_other(
    laboratory, held, operations, jobs
):
    laboratory.operations |= operations
    with pytest.raises(MadeError) as made:
        laboratory.hold((Intervention(held),), 2)
    assert made.value.args == (jobs,)
