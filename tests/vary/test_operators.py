"""Which operators `--vary` names, in runs of real programs in processes of their own."""

from __future__ import annotations

import textwrap

import pytest

from detaudit.model.plan import RunPlan, TargetRef
from detaudit.model.trace import Level
from detaudit.run.progress import Silence
from detaudit.run.runs import Runs
from detaudit.targets.find import find_target
from detaudit.vary.experiment import ConditionPair
from detaudit.vary.operators import measure_operators

NET = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("first", nn.Linear(64, 32))
    net.add_module("gate", nn.{gate}())
    net.add_module("last", nn.Linear(32, 1))
    for step in range(3):
        batch = torch.arange(16 * 64).reshape(16, 64).remainder(37 + step) / 37 - 0.5
        net(batch).square().mean().backward()
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(weight.grad, alpha=-0.1)
                weight.grad = None
"""


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """Measure the operators of a program under two values of an environment variable."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def measured(source, variable, first, second, step=1):
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(source))
        target = find_target(TargetRef(str(path)))
        plans = [
            RunPlan(target, 1, Level.LAYER, 0, variables=((variable, value),)) for value in (first, second)
        ]
        names = f"{variable}={first}", f"{variable}={second}"
        pair = ConditionPair(*plans, names, Runs(tmp_path / "runs", Silence()))
        return measure_operators(pair, step), pair

    return measured


def test_instruction_set_names_the_gate_that_it_changes(measure, tmp_path):
    """Another instruction set: silu and the update are named with their lines, the linear layers are not."""
    report, pair = measure(NET.format(gate="SiLU"), "ATEN_CPU_CAPABILITY", "avx2", "default")
    named = [(one.phase, one.root, one.module, one.operator) for one in report.operators]
    assert named == [
        ("forward", "Sequential", "gate", "aten.silu.default"),
        ("backward", "Sequential", "gate", "aten.silu_backward.default"),
        # One instruction multiplies and adds there, two do here.
        ("optimizer", "", None, "aten.add_.Tensor"),
    ]
    silu = report.operators[0]
    assert (silu.step, silu.calls, silu.changed, silu.why) == (1, 1, 1, "")
    assert (silu.file, silu.line) == (str(tmp_path / "program.py"), 12)
    assert silu.apart.of == 16 * 32
    assert 1 <= silu.apart.ulp <= 4
    assert report.problems == ()
    # One run keeps the values, one takes them; a third shows that they do not change by themselves.
    assert pair.runs.count == 3
    assert not (pair.runs.folder / "operator-values").exists()


def test_program_whose_bits_agree_names_nothing(measure):
    """Two threads, where every operator is too small for two: nothing is named, after two runs."""
    report, pair = measure(NET.format(gate="SiLU"), "OMP_NUM_THREADS", "1", "2")
    assert (report.operators, report.problems) == ((), ())
    assert pair.runs.count == 2


ONE_SIDE = """
    import os
    import torch

    torch.set_num_threads(8)
    net = torch.nn.Linear(8, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    value = net(torch.ones(2, 8))
    value = value.erf() if os.environ["SIDE"] == "a" else value.exp2()
    index = torch.arange(100_000) % 64
    table = torch.zeros(64, 8).index_put([index], torch.arange(800_000).reshape(-1, 8).cos(), accumulate=True)
    (value.sum() * table.sum()).backward()
    optimizer.step()
"""


@pytest.mark.usefixtures("forked")
def test_one_sided_operators_and_races_are_said_to_be_so(measure):
    """What only one run calls is said; a race, which no setting brings about, is not blamed on it."""
    report, _ = measure(ONE_SIDE, "SIDE", "a", "b", step=0)
    said = {one.operator: (one.changed, one.why) for one in report.operators}
    assert said["aten.erf.default"] == (0, "not called with SIDE=b")
    assert said["aten.exp2.default"] == (0, "not called with SIDE=a")
    assert said["aten.index_put.default"] == (0, "gives other bits from call to call with SIDE=a alone")


@pytest.mark.usefixtures("forked")
def test_run_that_fails_is_a_problem_and_names_nothing(measure):
    """A program that fails under the other conditions leaves no answer, which is said."""
    source = "import os; assert os.environ['SIDE'] == 'a'\n" + textwrap.dedent(NET)
    report, _ = measure(source.format(gate="ReLU"), "SIDE", "a", "b")
    assert report.operators == ()
    assert report.problems == ("operators were not compared: the run with SIDE=b did not end well",)


@pytest.mark.usefixtures("forked")
def test_step_that_never_comes_is_a_problem(measure):
    """A step that the program does not have is said: no operator was compared there."""
    report, _ = measure(NET.format(gate="ReLU"), "SIDE", "a", "b", step=7)
    assert report.operators == ()
    assert report.problems == ("no operator was seen in step 7 with SIDE=a",)
