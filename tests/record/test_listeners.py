"""Who is told of what the recorder sees, beside the trace."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn

from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.session import Session


def session_at(folder, level):
    return Session(str(folder), level, "test", {}, None, None, is_main=True)


class Listener:
    """Notes what it is told of operators."""

    def __init__(self, number, told):
        self.number, self.told = number, told

    def before(self, plan, operator, args, kwargs, seen):  # noqa: ARG002 - what every listener is told
        self.told.append((plan.name, self.number, "before", seen[0].label))

    def after(self, plan, result):
        self.told.append((plan.name, self.number, "after", tuple(result.shape)))


def test_listeners_are_told_of_the_end_of_each_step_and_of_the_end(tmp_path):
    told = []

    def attach(recorder, _names):
        recorder.listeners.on_step_end.append(lambda stream: told.append(stream.step))
        recorder.listeners.on_close.append(lambda: told.append("close"))

    with recording(session_at(tmp_path, Level.STEP), [attach]):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters())
        for _ in range(2):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
    assert told == [0, 1, "close"]


@pytest.mark.parametrize("count", [1, 3])
def test_every_listener_is_told_of_an_operator_before_and_after_it_in_turn(tmp_path, count):
    told = []

    def attach(recorder, _names):
        recorder.listeners.on_operator += [Listener(number, told) for number in range(count)]

    with recording(session_at(tmp_path, Level.OP), [attach]):
        torch.ones(2).add(1)
    numbers = range(count)
    assert [one[1:] for one in told if one[0] == "aten.add.Tensor"] == [
        *((number, "before", "main") for number in numbers),
        *((number, "after", (2,)) for number in numbers),
    ]


def test_an_operator_that_fails_has_no_end(tmp_path):
    told = []

    def attach(recorder, _names):
        recorder.listeners.on_operator.append(Listener(0, told))

    with recording(session_at(tmp_path, Level.OP), [attach]), pytest.raises(RuntimeError):
        torch.mm(torch.ones(2, 3), torch.ones(2, 3))
    assert Counter(one[2] for one in told if one[0] == "aten.mm.default") == {"before": 1}
