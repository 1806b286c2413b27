"""Axes that must reach no number: where they do, the fault is named with its line, and proved."""

from __future__ import annotations

import pytest

from detaudit.model.result import Verdict

IMPORTS = """
import argparse
import os
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset
"""

TRAIN = """
    model = torch.nn.Linear(6, 1)
    for epoch in range(3):
        for batch in loader:
            model(batch).pow(2).mean().backward()
            with torch.no_grad():
                model.weight -= 0.1 * model.weight.grad
            model.weight.grad = None
        validate(model, epoch)


if __name__ == "__main__":
    main()
"""

CROPS = (
    IMPORTS
    + """
class Crops(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.arange(6.0) + torch.randint(0, 9, (1,))  # fault


def validate(model, epoch):
    pass


def main():
    torch.manual_seed(0)
    loader = DataLoader(Crops(), batch_size=4)
"""
    + TRAIN
)

COUNTS = (
    IMPORTS
    + """
class Counts(Dataset):
    served = 0

    def __len__(self):
        return 8

    def __getitem__(self, index):
        self.served += 1
        return torch.arange(6.0) + self.served


def validate(model, epoch):
    pass


def main():
    torch.manual_seed(0)
    loader = DataLoader(Counts(), batch_size=2)
"""
    # In a further epoch, workers begin again where a loader without any goes on.
    + TRAIN.replace("range(3)", "range(1)").replace("in loader:", "in loader:  # fault")
)

VALIDATES = (
    IMPORTS
    + """
def validate(model, epoch):
    with torch.no_grad():
        if epoch % int(os.environ["EVERY"]) == 0:
            for (batch,) in DataLoader(TensorDataset(torch.ones(4, 6))):  # fault
                model(batch)


def main():
    torch.manual_seed(0)
    x = torch.rand(8, 6)
    loader = DataLoader(x, batch_size=4, shuffle=True)
"""
    + TRAIN
)

SCALES = (
    IMPORTS
    + """
def validate(model, epoch):
    pass


def main():
    torch.manual_seed(0)
    scale = float(os.environ["SCALE"])  # fault
    loader = [torch.rand(4, 6) * scale]
"""
    + TRAIN
)

ORDERS = (
    IMPORTS
    + """
def validate(model, epoch):
    pass


def main():
    torch.manual_seed(0)
    words = [len(word) for word in {"a", "bb", "ccc", "dddd", "eeeee", "ffffff"}]  # fault
    loader = [torch.rand(4, 6) * torch.tensor(words)]
"""
    + TRAIN
)

FAULTS = {
    "workers": (CROPS, "workers=0,2", "rng-drift", "DataLoader(num_workers)"),
    "state": (COUNTS, "workers=0,2", "worker-order", "DataLoader"),
    "draws": (VALIDATES, "env:EVERY=1,2", "rng-drift", "aten.random_.default"),
    "variable": (SCALES, "env:SCALE=1,2", "env-dependence", "os.environ['SCALE']"),
    "hash": (ORDERS, "hash-seed=0,1", "hash-order", None),
}


@pytest.mark.parametrize(
    "name", ["workers", "state", "draws", "variable", pytest.param("hash", marks=pytest.mark.slow)]
)
def test_what_lets_an_axis_reach_the_numbers_is_named(name, vary):
    """The finding has the cause, the line and, for a draw or a read, the call; holding it fixed proved it."""
    program, axis, cause, symbol = FAULTS[name]
    result = vary(program, axis)

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    (finding,) = result.findings
    assert (finding.cause, finding.confirmed) == (cause, True)
    lines = [number for number, line in enumerate(program.splitlines(), 1) if "# fault" in line]
    assert [finding.site.line] == lines
    assert symbol in {None, finding.symbol}
    assert not result.varied[0].equal
    assert result.varied[0].layers == ()
    # Each side repeats itself: no words may say that it is chance.
    assert "timing" not in finding.message
