"""Answers of `--vary` that are none, or that say less than they seem to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from detaudit.axes.catalogue import axis_named
from detaudit.model.result import Verdict
from detaudit.vary.effect import nothing_varied, without_effect
from tests.results import equal

SCRIPT = """
import os

import torch

torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
name = os.environ.get("RUN_NAME")
for _ in range(2):
    model(torch.rand(3, 2)).sum().backward()
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 0.1 * weight.grad * {factor}
            weight.grad = None
"""


@pytest.mark.parametrize(("name", "said"), [("RUN_NAME", False), ("RUM_NAME", True)])
def test_a_variable_that_nobody_reads_is_said(vary, name, said):
    result = vary(SCRIPT.format(factor=1), f"env:{name}=a,b")
    assert result.verdict is Verdict.REPRODUCIBLE
    assert any(notice.id == "unread" and name in notice.message for notice in result.notices) == said


def test_what_does_not_repeat_itself_and_then_does_is_unverified(vary, monkeypatch):
    """Two runs under the same conditions differed: that others are equal says nothing about the axis."""
    monkeypatch.setattr("detaudit.vary.audit.audit_target", lambda *_, **__: equal())
    result = vary(SCRIPT.format(factor="int.from_bytes(os.urandom(2), 'big')"), "env:RUN_NAME=a,b")
    assert result.verdict is Verdict.UNVERIFIED
    assert "two runs differ already" in result.reason


STOPS = """
import torch
from torch import nn

class Whiten(nn.Module):
    def forward(self, x):
        covariance = x.T @ x + torch.eye(x.shape[1], dtype=x.dtype)
        return x @ torch.linalg.cholesky(covariance)

def make_model():
    return nn.Sequential(nn.Linear(6, 5), Whiten(), nn.Linear(5, 6))

def make_batches():
    return [torch.randn(16, 6) for _ in range(2)]
"""


def test_what_comes_before_an_operator_without_an_implementation_is_compared_all_the_same(vary):
    """The operator is named with its line, and no answer is given; nobody is blamed for what is missing."""
    result = vary(STOPS, "dtype=float32,bfloat16")
    assert result.verdict is Verdict.UNVERIFIED
    assert "cholesky" in result.reason
    assert "program.py:8" in result.reason
    layers = result.varied[0].layers
    assert {layer.module for layer in layers if layer.isolated is not None} == {"0"}
    assert not any(layer.flagged for layer in layers)


RESTARTS = """
import os
import sys

if os.environ["PYTHONHASHSEED"] != "0":
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, *sys.argv])
"""


@pytest.mark.parametrize("restarts", [True, False])
def test_a_hash_seed_that_the_program_chooses_itself_is_not_in_force(vary, restarts):
    """A program that starts itself anew is equal under all hash seeds asked for: that says nothing."""
    # Setting the variable alone, as many programs do, changes nothing in the process.
    first = RESTARTS if restarts else 'import os\nos.environ["PYTHONHASHSEED"] = "0"\n'
    result = vary(first + SCRIPT.format(factor=1), "hash-seed=1,2")
    assert result.verdict is (Verdict.UNVERIFIED if restarts else Verdict.REPRODUCIBLE)
    assert ("chose another one" in (result.reason or "")) == restarts


def reader(**environment):
    return SimpleNamespace(info=SimpleNamespace(environment=environment), streams=())


@pytest.mark.parametrize(
    ("chosen", "environment", "why"),
    [
        (("threads", "1"), {"torch_threads": 2}, "the program set the number of threads itself, to 2"),
        (("threads", "2"), {"torch_threads": 2}, None),
        (("threads", "1"), {}, None),
        (("cpu-capability", "avx2"), {}, None),
        (("mkldnn", "off"), {}, None),
        (("mkldnn", "off"), {"mkldnn": True}, "the program sets the value itself"),
        (("compile", "off"), {"compiled_graphs": 2}, "the program called torch.compile itself"),
        (("compile", "off"), {"compiled_graphs": 0}, None),
    ],
)
def test_a_condition_that_is_not_in_force_is_told_from_one_that_is_not_known(chosen, environment, why):
    """A process that only starts others never loads torch: of its settings nothing is known."""
    told = without_effect(reader(**environment), (axis_named(chosen[0]).setting(chosen[1]),))
    assert told == (None if why is None else f"{chosen[0]}={chosen[1]} had no effect: {why}")


def test_compiling_nothing_says_nothing():
    readers = {"compile=off": reader(), "compile=on": reader(compiled_graphs=0)}
    assert "nothing was compiled" in nothing_varied(readers, ("compile",))
