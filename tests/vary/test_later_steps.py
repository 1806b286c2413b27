"""Along a dtype nothing is green that was not measured: later steps, and what is outside of modules."""

from __future__ import annotations

import pytest

from detaudit.model.result import Verdict

MODEL = """
import torch
from torch import nn

class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.calls = nn.Linear(8, 8), 0

    def forward(self, x):
        self.calls += 1
        y = torch.sigmoid(self.linear(x))
        if self.calls > {late} and x.dtype == torch.bfloat16:
            y = y.detach()
        return x * y

def make_model():
    return nn.Sequential(nn.Linear(4, 8), Gate(), nn.Linear(8, 2))

def make_batches():
    return [(torch.randn(16, 4), torch.randn(16, 2)) for _ in range(4)]

def loss_fn(model, batch):
    x, y = batch
    squares = (model(x) - y).pow(2)
    return squares.mean() if squares.dtype == torch.float32 or not {halves} else squares.sum(1).mean()
"""


@pytest.mark.parametrize(
    ("late", "steps"), [(99, [0, 3]), (2, [0, 2])], ids=["right to the end", "wrong from step 2 on"]
)
def test_what_begins_in_a_later_step_is_found(vary, late, steps):
    result = vary(MODEL.format(late=late, halves=False), "dtype=float32,bfloat16")
    assert (result.verdict is Verdict.REPRODUCIBLE) == (late == 99), result.reason
    (variation,) = result.varied
    assert sorted({layer.step for layer in variation.layers}) == steps
    assert {(one.id, one.origin.step, one.symbol) for one in result.findings} == (
        set() if late == 99 else {("wrong-layer", 2, "Gate")}
    )


def test_a_loss_that_is_another_one_is_not_taken_for_rounding(vary):
    """No module is wrong, and yet all gradients are twice as large: that cannot be told from rounding."""
    result = vary(MODEL.format(late=99, halves=True), "dtype=float32,bfloat16")
    assert result.verdict is Verdict.UNVERIFIED
    assert "outside of modules" in result.reason
