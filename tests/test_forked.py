"""Runs that tests fork are those that a user has."""

from __future__ import annotations

from detaudit.compare.compare import compare
from detaudit.model.plan import RunPlan, TargetRef
from detaudit.model.trace import Level
from detaudit.run.progress import Silence
from detaudit.run.runs import execute
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader
from tests.forked import STARTS_RUNS

PROGRAM = """
import os
import sys
import torch
from torch.utils.data import DataLoader

torch.manual_seed(int(sys.argv[1]))
model = torch.nn.Linear(4, 1)
for batch in DataLoader(torch.rand(8, 4), batch_size=4, shuffle=True, num_workers=1):
    model(batch).pow(2).mean().backward()
    with torch.no_grad():
        model.weight -= 0.1 * model.weight.grad
print(os.environ["NAME"], __name__, model.weight.tolist())
sys.exit(5)
"""


def test_a_forked_run_is_that_of_a_fresh_process(run_program, origin, monkeypatch):
    """Its numbers, its output and its exit status are the same; with another seed, the numbers are not."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NAME", "here")
    fresh = run_program(PROGRAM, args=["1"])
    monkeypatch.setattr(STARTS_RUNS, origin.in_place_of_subprocess())
    same, other = (run_program(PROGRAM, args=[seed]) for seed in "12")

    with TraceReader(fresh.trace) as one, TraceReader(same.trace) as two, TraceReader(other.trace) as three:
        assert compare(one, two).equal
        assert not compare(one, three).equal
        assert one.info.problems == two.info.problems == ()
    assert same.stdout.read_text() == fresh.stdout.read_text()
    assert same.stdout.read_text().startswith("here __main__ [[")
    assert same.exit_code == fresh.exit_code == 5


def test_forked_runs_that_are_asked_for_side_by_side_keep_their_own_answers(tmp_path, origin, monkeypatch):
    monkeypatch.setenv("NAME", "here")
    monkeypatch.setattr(STARTS_RUNS, origin.in_place_of_subprocess())
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("sys.exit(5)", ""))
    target = find_target(TargetRef(str(program), args=("1",)))
    runs = execute(RunPlan(target, 3, Level.LAYER, 0, jobs=3), tmp_path / "runs", Silence())
    assert [run.exit_code for run in runs] == [0, 0, 0]
    assert len({run.stdout.read_text() for run in runs}) == 1
    assert len({run.trace for run in runs}) == len(runs)
