"""Both runs beside one that is all in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detaudit.model.plan import Exchange, Part, RunPlan, TargetRef
from detaudit.model.trace import Level
from detaudit.run.progress import Silence
from detaudit.run.runs import Runs
from detaudit.targets.find import find_target
from detaudit.vary.experiment import ConditionPair, up_to
from detaudit.vary.layers import measure_layers, run_in_float64

MODEL = """
import os

import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.dropout, self.last = nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 1)

    def forward(self, x):
        if os.environ.get("NARROW") and torch.get_default_dtype() == torch.float64:
            raise ValueError("not in float64")
        x = self.dropout(self.first(x))
        return self.last(x * 1.01 if os.environ.get("SCALED") else x)

def make_model():
    return Net()

def make_batches():
    return [torch.rand(9, 4) for _ in range(2)]
"""


def pair_of(path, folder, **variables):
    """A program with SCALED in its environment on one side, and more variables on both."""
    first = RunPlan(find_target(TargetRef(str(path))), 1, Level.LAYER, 0, variables=tuple(variables.items()))
    second = replace(first, variables=(*first.variables, ("SCALED", "1")))
    return ConditionPair(first, second, ("plain", "scaled"), Runs(folder, Silence()))


pytestmark = pytest.mark.usefixtures("forked")


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(MODEL)
    return path


def test_the_run_that_is_off_is_told_by_a_run_in_float64_with_the_same_random_numbers(program, tmp_path):
    report = measure_layers(pair_of(program, tmp_path / "runs"), step=1)
    assert (report.problems, report.without_float64) == ((), "")
    # Dropout drew the same: otherwise the outputs would be apart by their own size.
    outputs = {one.module: one for one in report.layers if one.value == "output"}
    assert set(outputs) == {"", "first", "dropout", "last"}
    assert all(one.first_from_float64 < 1e-5 for one in outputs.values())
    assert outputs["last"].second_from_float64 > 1e-3
    weight = next(one for one in report.layers if (one.module, one.value) == ("last", "weight"))
    assert weight.phase == "optimizer"
    assert weight.first_from_float64 < 1e-5 < weight.second_from_float64


def test_a_model_that_cannot_run_in_float64_is_said_to_be_so(program, tmp_path):
    pair = pair_of(program, tmp_path / "runs", NARROW="1")
    first = pair.runs.once(up_to(pair.first, 0), "first")
    assert "failed" in run_in_float64(pair, Exchange(tmp_path, Part.KEEPS), first.trace)


def test_a_script_cannot_be_cast_and_nothing_is_run_or_said(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import torch")
    pair = pair_of(path, tmp_path / "runs")
    assert not run_in_float64(pair, Exchange(tmp_path, Part.KEEPS), tmp_path / "no-trace")
    assert not pair.runs.count
