"""Whatever a call in the same process changes is put back, also where it fails."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch

from detaudit.diagnose.same_process import audit_same_process
from detaudit.model.plan import RunPlan, Target, TargetKind
from detaudit.model.result import Verdict
from detaudit.model.trace import Level
from pytest_detaudit.state import put_back

STATE = {
    "python's generator": (random.getstate, random.random),
    "numpy's generator": (lambda: np.random.get_state()[2], np.random.random),  # noqa: NPY002 - the global one
    "torch's generator": (lambda: torch.get_rng_state().tolist(), lambda: torch.rand(1)),
    "deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        lambda: torch.use_deterministic_algorithms(mode=True),
    ),
    "that they only warn": (
        torch.is_deterministic_algorithms_warn_only_enabled,
        lambda: torch.use_deterministic_algorithms(mode=True, warn_only=True),
    ),
    "cuDNN's determinism": (
        lambda: torch.backends.cudnn.deterministic,
        lambda: setattr(torch.backends.cudnn, "deterministic", True),
    ),
    "cuDNN's benchmark": (
        lambda: torch.backends.cudnn.benchmark,
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
    ),
    "grad mode": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "anomaly mode": (torch.is_anomaly_enabled, lambda: torch.autograd.set_detect_anomaly(True)),
    "default dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "default device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
    "matrix product precision": (
        torch.get_float32_matmul_precision,
        lambda: torch.set_float32_matmul_precision("medium"),
    ),
    "working directory": (os.getcwd, lambda: os.chdir("/")),
}


@pytest.mark.parametrize("what", STATE)
def test_what_is_changed_is_put_back(what):
    get, change = STATE[what]
    before = get()
    with put_back():
        change()
        assert get() != before, "the change is none"
    assert get() == before


@pytest.mark.parametrize("what", STATE)
def test_what_is_changed_before_a_failure_is_put_back(what):
    get, change = STATE[what]
    before = get()

    def fail():
        with put_back():
            change()
            raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        fail()
    assert get() == before


def test_taking_the_state_down_changes_nothing():
    before = {what: get() for what, (get, _) in STATE.items()}
    with put_back():
        assert {what: get() for what, (get, _) in STATE.items()} == before


PLAN = RunPlan(Target(TargetKind.TEST, "test_it.py::test_it"), 3, Level.LAYER, 0)


def train(model, x=None):
    model(torch.ones(2, 3) if x is None else x).sum().backward()


def never():
    pytest.fail("the calls were the same: no process is to be started")


def test_calls_that_do_the_same_are_reproducible_without_a_process():
    def call():
        torch.manual_seed(0)
        train(torch.nn.Linear(3, 2))

    result = audit_same_process(PLAN, call, never, None)
    assert result.verdict is Verdict.REPRODUCIBLE
    assert result.compared.pairs == 2


def test_calls_that_train_nothing_are_no_answer():
    result = audit_same_process(PLAN, lambda: None, never, None)
    assert result.verdict is Verdict.UNVERIFIED


def test_what_differs_only_within_a_process_was_left_behind_by_the_call_before():
    torch.manual_seed(0)
    kept = torch.nn.Linear(3, 2)

    def call():
        train(kept)
        with torch.no_grad():
            kept.weight += 1

    def call_afresh():
        torch.manual_seed(0)
        train(torch.nn.Linear(3, 2))

    result = audit_same_process(
        PLAN, call, lambda: audit_same_process(PLAN, call_afresh, never, None), None
    )  # fmt: skip
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert {finding.cause for finding in result.findings} == {"process-state"}


def test_what_differs_in_fresh_processes_too_is_not_put_down_to_the_process():
    def call():
        train(torch.nn.Linear(3, 2))

    def differs_too():
        return audit_same_process(PLAN, call, lambda: unverified, None)

    unverified = audit_same_process(PLAN, lambda: None, never, None)
    result = audit_same_process(PLAN, call, differs_too, None)
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert "process-state" not in {finding.cause for finding in result.findings}
