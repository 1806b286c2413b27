"""A call recorded in the process that asks for it leaves nothing in place."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from multiprocessing import process

import pytest
import torch
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Dataset, IterableDataset, _utils, dataloader

from detaudit.diagnose.same_process import call_recorded
from detaudit.model.plan import RunPlan, Target, TargetKind
from detaudit.model.trace import Level
from detaudit.record.observing import current
from detaudit.trace.reader import TraceReader

optimizer = sys.modules["torch.optim.optimizer"]

PLACES = (
    torch.Tensor, torch.autograd, torch.autograd.graph, torch.autograd.Function, torch.nn.Module, torch.nn,
    torch.nn.Parameter, torch.nn.modules.module, Optimizer, optimizer, torch.optim.SGD, DataLoader, Dataset,
    IterableDataset, dataloader, dataloader._BaseDataLoaderIter, dataloader._SingleProcessDataLoaderIter,
    dataloader._MultiProcessingDataLoaderIter, _utils, _utils.worker, os, threading, threading.Thread,
    process.BaseProcess, sys,
)  # fmt: skip


class Numbers(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.full((3,), float(index))


def train(model, steps=2):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _, batch in zip(range(steps), DataLoader(Numbers(), batch_size=2), strict=False):
        optimizer.zero_grad()
        model(batch).square().sum().backward()
        optimizer.step()


def state():
    """All attributes of the places at which recording could take hold, and hooks in them."""
    found = {}
    for place in PLACES:
        for name, value in list(vars(place).items()):
            found[repr(place), name] = len(value) if isinstance(value, dict) else id(value)
    return found


# Counters, caches and what torch loads when it is first used.
LIVELY = {"_next_id", "_counter", "_dangling", "modules", "path_importer_cache", "_active", "_limbo"}
LIVELY |= {"__warningregistry__", "last_traceback", "last_type", "last_value", "last_exc", "_shutdown_locks"}


def changed(before, after):
    keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return {key for key in keys if key[1] not in LIVELY}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


@pytest.fixture
def plan():
    return RunPlan(Target(TargetKind.TEST, "test_it"), 2, Level.LAYER, 0)


@pytest.mark.parametrize("level", ["step", "layer", "op"])
def test_nothing_of_ours_stays_in_place(tmp_path, model, plan, level):
    # Once before: what torch itself does at the first use is not ours.
    train(torch.nn.Linear(3, 2))
    before = state()
    meanwhile = []

    def call():
        train(model)
        meanwhile.extend(changed(before, state()))

    assert call_recorded(call, replace(plan, level=Level(level)), tmp_path) is not None
    assert len(meanwhile) > 10, "recording takes hold elsewhere: this test would see nothing"
    assert changed(before, state()) == set()
    assert current() is None
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert all(not parameter._backward_hooks for parameter in model.parameters())
    assert all(not parameter._post_accumulate_grad_hooks for parameter in model.parameters())


def test_what_stays_in_place_would_be_seen(monkeypatch):
    before = state()
    monkeypatch.setattr(torch.autograd, "backward", lambda *_: None)
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    names = {name for _, name in changed(before, state())}
    handle.remove()
    assert names == {"backward", "_global_forward_hooks"}


def test_nothing_of_ours_stays_in_place_after_a_failure(tmp_path, model, plan):
    train(torch.nn.Linear(3, 2))
    before = state()

    def fail():
        train(model)
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        call_recorded(fail, plan, tmp_path)
    assert changed(before, state()) == set()
    assert current() is None


def test_a_call_is_recorded_whole(tmp_path, model, plan):
    with TraceReader(call_recorded(lambda: train(model), plan, tmp_path)) as reader:
        assert reader.info.finished
        assert max(reader.steps_begun(stream.id) for stream in reader.streams) == 2


def test_calls_are_recorded_one_after_the_other(tmp_path, plan):
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        torch.manual_seed(0)
        assert call_recorded(lambda: train(torch.nn.Linear(3, 2)), plan, folder) is not None


def test_a_call_within_a_call_is_refused(tmp_path, model, plan):
    inner = tmp_path / "inner"
    inner.mkdir()

    def nested():
        train(model)
        call_recorded(lambda: None, plan, inner)

    with pytest.raises(RuntimeError, match="recorded already"):
        call_recorded(nested, plan, tmp_path)
    assert current() is None


def test_a_call_ends_after_the_steps_that_were_asked_for(tmp_path, model):
    plan = RunPlan(Target(TargetKind.TEST, "test_it"), 2, Level.LAYER, 0, steps=1)
    ended = []

    def call():
        train(model, steps=2)
        ended.append(True)

    assert call_recorded(call, plan, tmp_path) is not None
    assert not ended


def test_a_call_that_uses_nothing_of_torch_leaves_no_trace(tmp_path, plan):
    assert call_recorded(lambda: None, plan, tmp_path) is None
