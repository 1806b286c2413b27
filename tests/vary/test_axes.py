"""Each axis: a program that is the same along it, and one that is not."""

from __future__ import annotations

import pytest

from detaudit.model.result import Verdict

# In fresh processes, loading what torch's own optimizers need takes as long as loading torch.
UPDATE = """
    def update(model):
        with torch.no_grad():
            for weight in model.parameters():
                weight -= 0.1 * weight.grad
                weight.grad = None
"""

UNMOVED = f"""{UPDATE}
    import argparse, os
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    def main():
        parser = argparse.ArgumentParser()
        parser.add_argument("--name", default="")
        parser.parse_args()
        os.environ.get("RUN_NAME")
        torch.manual_seed(0)
        x = torch.rand(32, 4)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        for (batch,) in DataLoader(TensorDataset(x), batch_size=8, shuffle=True):
            model(batch).abs().mean().backward()
            update(model)

    if __name__ == "__main__":
        main()
"""

MOVED = f"""{UPDATE}
    import argparse, os
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    class Noisy(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return torch.full((48,), float(index)) + torch.rand(48)

    def main():
        parser = argparse.ArgumentParser()
        parser.add_argument("--scale", type=float, default=1.0)
        scale = parser.parse_args().scale
        scale += float(os.environ.get("SCALE", "0")) + torch.are_deterministic_algorithms_enabled()
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(48, 48), nn.Conv1d(1, 8, 3), nn.Sigmoid(), nn.LayerNorm(46))
        images = torch.rand(600, 1, 48) * scale
        for batch in DataLoader(Noisy(), batch_size=4, num_workers=0):
            (model(images).pow(2).mean() + model[0](batch).mean()).backward()
            update(model)

    if __name__ == "__main__":
        main()
"""

COMPILED = f"""{UPDATE}
    import torch
    from torch import nn

    class Compiled(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 1)

        def forward(self, x):
            return self.linear(x).pow(2).mean() * FACTOR

    torch.manual_seed(0)
    model = Compiled()
    compiled = torch.compile(model, backend="eager")
    for _ in range(2):
        compiled(torch.rand(8, 4)).backward()
        update(model)
"""

TOGETHER = [
    ("hash-seed=0,1", "workers=0,2"),
    ("threads=1,2", "cpu-capability=avx2,default"),
    ("mkldnn=on,off", "deterministic=off,on"),
    ('args="","--name b"', "env:RUN_NAME=a,b"),
]


@pytest.mark.parametrize("axes", TOGETHER, ids=lambda axes: axes[0].partition("=")[0])
def test_what_an_axis_does_not_reach_is_the_same_along_it(axes, vary):
    """A program that no axis reaches gives the same bits in every combination of values."""
    result = vary(UNMOVED, *axes)

    assert result.verdict is Verdict.REPRODUCIBLE, result.reason
    assert all(one.equal for one in result.varied)
    assert len(result.varied) == 3
    assert len(result.runs) == 4
    assert result.findings == ()


@pytest.mark.parametrize(
    "axis",
    [
        "workers=0,2",
        "threads=1,2",
        "mkldnn=on,off",
        "deterministic=off,on",
        "cpu-capability=avx2,default",
        "args=,--scale 2",
        "env:SCALE=0,1",
    ],
)
def test_what_an_axis_reaches_differs_along_it(axis, vary):
    """A program that the axis reaches is not called the same (the hash seed: see `test_faults`)."""
    result = vary(MOVED, axis, diagnose=False)

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    (variation,) = result.varied
    assert not variation.equal
    assert variation.axes == (axis.partition("=")[0],)
    assert len(result.runs) == 2


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        ("2", Verdict.REPRODUCIBLE),
        ("(2 if torch.compiler.is_compiling() else 1)", Verdict.NOT_REPRODUCIBLE),
    ],
    ids=["same", "different"],
)
def test_what_compiled_code_computes_is_held_against_eager_code(factor, verdict, vary):
    """A model that computes the same when it is compiled is the same; one that does not is not."""
    result = vary(COMPILED.replace("FACTOR", factor), "compile=off,on", diagnose=False)
    assert (result.verdict, result.reason) == (verdict, None)
    assert [one.axes for one in result.varied] == [("compile",)]


IMAGES = """
import torch
from torch import nn

def make_model():
    return nn.Sequential({first}, nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))

def make_batches():
    return [(torch.rand(8, 4, 6, 6), torch.rand(8, 2)) for _ in range(2)]
"""


@pytest.mark.parametrize(
    ("first", "verdict"),
    [("nn.Hardtanh()", Verdict.REPRODUCIBLE), ("nn.BatchNorm2d(4)", Verdict.NOT_REPRODUCIBLE)],
)
def test_the_layout_of_images_reaches_what_adds_over_them(first, verdict, vary):
    """What works on each number is the same with the channels last; sums over images are not."""
    result = vary(IMAGES.format(first=first), "layout=contiguous,channels-last", diagnose=False)
    assert (result.verdict, result.reason) == (verdict, None)


def test_numbers_of_another_dtype_are_held_by_what_it_rounds(vary):
    """float32 and float64 never have equal bits: the same numbers, unless a layer computes something else."""
    result = vary(IMAGES.format(first="nn.Hardtanh()"), "dtype=float32,float64")
    assert (result.verdict, result.reason) == (Verdict.REPRODUCIBLE, None)
    assert result.varied[0].promise == "precision"
    assert not result.varied[0].equal

    other = IMAGES.format(first="Wrong()") + WRONG
    result = vary(other, "dtype=float32,float64")
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert [finding.symbol for finding in result.findings] == ["Wrong"]


WRONG = """

class Wrong(nn.Module):
    def forward(self, x):
        return x * (1.0 if x.dtype is torch.float64 else 1.01)
"""


def test_a_value_that_the_program_overrules_says_nothing(vary):
    """A condition that is not in force is no evidence: unverified, with what the program did."""
    program = "import torch\ntorch.set_num_threads(1)\n" + SMALL
    result = vary(program, "threads=1,2")

    assert result.verdict is Verdict.UNVERIFIED
    assert result.reason == "threads=2 had no effect: the program set the number of threads itself, to 1"


def test_loaders_and_compiling_that_a_program_does_not_have_say_nothing(vary):
    """Along `workers` a program without loaders is unverified, along `compile` one that never compiles."""
    assert "takes no batch from a DataLoader" in vary(SMALL, "workers=0,2").reason
    assert "nothing was compiled" in vary(SMALL, "compile=off,on").reason


def test_a_missing_device_is_named(vary):
    """Without the device there is no answer, and the reason names it."""
    result = vary(SMALL, "device=cpu,xpu")

    assert result.verdict is Verdict.UNVERIFIED
    assert "xpu" in str(result.reason)


def test_a_run_that_fails_is_named_by_its_conditions(vary):
    """A target that ends with an error under one value gives no answer, and says under which."""
    result = vary("import os\nassert os.environ['KIND'] == 'a'\n" + SMALL, "env:KIND=a,b")

    assert result.verdict is Verdict.UNVERIFIED
    assert result.reason.startswith("with env:KIND=b: ")


def test_what_does_not_repeat_itself_is_not_put_down_to_an_axis(vary):
    """A target that differs from run to run anyway is called so, with its own cause."""
    result = vary(SMALL.replace("torch.rand(8, 4)", UNSEEDED), "env:KIND=a,b")

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert [finding.cause for finding in result.findings] == ["unseeded-python"]
    assert result.varied == ()
    assert result.notices[0].id == "not-varied"


UNSEEDED = "torch.full((8, 4), random.random())"
SMALL = """
import random
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
x = torch.rand(8, 4)
for _ in range(2):
    model(x).pow(2).mean().backward()
    with torch.no_grad():
        model.weight -= 0.1 * model.weight.grad
    model.weight.grad = None
"""
