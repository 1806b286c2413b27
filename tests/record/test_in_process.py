"""What is recorded, on functions that are called in this process: lines, phases, arguments, errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detaudit.model.trace import Kind, Level, Phase
from detaudit.record.digests import inputs_digest
from detaudit.record.install import recording
from detaudit.record.recorder import StopAfterSteps
from detaudit.record.schema import make_plan
from detaudit.record.session import MAIN_TRACE, Session
from detaudit.trace.reader import TraceReader


@pytest.fixture
def record(tmp_path):
    """Call a function under a recorder and return the events of its first step."""

    def recorded(function, level=Level.OP):
        folder = tmp_path / f"runs{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        session = Session(str(folder), level, "a test", {}, steps=None, window=None, is_main=True)
        torch.manual_seed(0)
        with recording(session) as recorder:
            function()
        assert not recorder.problems
        with TraceReader(folder / MAIN_TRACE) as reader:
            return reader.step(reader.streams[0].id, 0).events

    return recorded


def lines(events, **wanted):
    """The source lines of the events whose place is as wanted, each once, in order."""
    chosen = (e for e in events if all(getattr(e.place, name) == value for name, value in wanted.items()))
    return list(dict.fromkeys(event.site.code for event in chosen))


class Halving(torch.optim.Optimizer):
    """An optimizer of the program's own."""

    def step(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.data.mul_(0.5)
            parameter.data.sub_(parameter.grad)


def train(optimizer_of, prepare=lambda _: None):
    model = nn.Linear(3, 1)
    optimizer = optimizer_of(model.parameters())
    prepare(optimizer)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()


def in_optimizer(events):
    return lines(events, kind=Kind.OP, phase=Phase.OPTIMIZER)


def test_torchs_own_optimizer_runs_at_the_line_that_calls_it(record):
    """All operators of a step of torch's have the line of the call."""
    assert in_optimizer(record(lambda: train(torch.optim.Adam))) == ["optimizer.step()"]


def test_an_optimizer_of_the_programs_own_has_lines_of_its_own(record):
    """Operators in a step that the program defines have the lines of that definition."""
    events = record(lambda: train(lambda parameters: Halving(parameters, {})))

    assert in_optimizer(events) == ["parameter.data.mul_(0.5)", "parameter.data.sub_(parameter.grad)"]


def test_a_hook_of_an_optimizer_has_a_line_of_its_own(record):
    """What the program's hook does in a step of torch's optimizer is not put down to the step."""

    def scale(optimizer, *_):
        optimizer.param_groups[0]["params"][0].grad.mul_(2)

    def prepare(optimizer):
        optimizer.register_step_pre_hook(scale)

    found = in_optimizer(record(lambda: train(torch.optim.Adam, prepare)))

    assert 'optimizer.param_groups[0]["params"][0].grad.mul_(2)' in found
    assert "optimizer.step()" in found


def test_a_closure_has_lines_of_its_own(record):
    """What a closure computes within a step has the lines of the closure."""
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def closure():
        loss = model(torch.ones(2, 3)).exp().sum()
        loss.backward()
        return loss

    assert "loss = model(torch.ones(2, 3)).exp().sum()" in lines(
        record(lambda: optimizer.step(closure)), kind=Kind.OP
    )


def test_an_optimizer_step_that_fails_is_over(record):
    """What comes after it is not put down to its line."""

    def run():
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(2, 3)).sum().backward()
        optimizer.param_groups[0]["lr"] = "fast"
        with pytest.raises(TypeError):
            optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.1
        model(torch.ones(2, 3)).exp().sum().backward()
        optimizer.step()

    events = record(run)
    (exp,) = [e for e in events if e.place.kind is Kind.OP and e.place.name.startswith("aten.exp")]

    assert exp.site.code == "model(torch.ones(2, 3)).exp().sum().backward()"


class Failing(nn.Module):
    """Fails in an inner module when it is told to."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize("level", list(Level))
def test_a_call_that_fails_leaves_nothing_behind(record, level):
    """After an error in an inner module, later calls are recorded as if there had been none."""
    model, outside = Failing(), nn.Linear(3, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def run():
        with pytest.raises(RuntimeError):
            model(torch.ones(2, 5))
        outside(torch.ones(2, 3))
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()

    events = record(run, level)
    calls = [e.place.root for e in events if e.place.kind is Kind.MODULE and not e.place.module]

    assert calls[-2:] == ["Linear", "Failing"]


def test_sums_of_gradients_are_recorded_from_the_second_pass_on(record):
    """What is added to a gradient that is there is recorded as it arrives, and then the sum."""

    def run():
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model(torch.ones(2, 3)).sum().backward()
        optimizer.step()

    events = record(run, Level.LAYER)
    kinds = [e.place.kind for e in events if e.place.phase is Phase.BACKWARD and e.place.name == "weight"]

    assert kinds == [Kind.GRAD, *2 * [Kind.GRAD, Kind.GRAD_ACCUMULATED]]


@pytest.mark.parametrize("others", [(0.0, -0.0), (1, True), (1, 1.0), ([1], [1, 1]), (None, "None")], ids=str)
def test_arguments_that_are_no_tensors_are_told_apart(others):
    """Equal numbers of other types, and zeros of other signs, are other arguments, each time."""
    plan = make_plan(torch.ops.aten.add.Tensor)
    digests = [inputs_digest(plan, (torch.ones(2), other), {}) for other in (*others, *others)]

    assert digests[:2] == digests[2:]
    assert digests[0] != digests[1]


class Nested(nn.Module):
    """Calls a container of torch's, whose parts are called by torch's code, and functions of its own."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), Own()))

    def forward(self, x):
        x = self.body(x)
        return x.exp()


class Own(nn.Module):
    """A part with code of the program's own."""

    def forward(self, x):
        x = x.sin()
        return x.cos()


def test_parts_of_torchs_containers_have_the_line_that_calls_the_container(record):
    """A line that was found for an outer call holds for inner ones, until the program's code runs again."""

    def run():
        model = Nested()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            model(torch.ones(2, 3)).sum().backward()
        optimizer.step()

    events = record(run)
    found = {
        module: lines(events, kind=Kind.OP, phase=Phase.FORWARD, module=module)
        for module in ("body.0", "body.1.0", "body.1.1", "")
    }
    calls = {e.place.module: e.site.code for e in events if e.place.kind is Kind.MODULE}

    assert found == {
        "body.0": ["x = self.body(x)"],
        "body.1.0": ["x = self.body(x)"],
        "body.1.1": ["x = x.sin()", "return x.cos()"],
        "": ["return x.exp()"],
    }
    assert {calls[module] for module in ("body", "body.0", "body.1", "body.1.0", "body.1.1")} == {
        "x = self.body(x)"
    }
    assert calls[""] == "model(torch.ones(2, 3)).sum().backward()"


@pytest.mark.parametrize("steps", [1, 2])
def test_steps_end_a_training_that_updates_its_weights_by_hand(tmp_path, steps):
    """Where there is no optimizer, the program ends as the step after the last one begins."""
    session = Session(str(tmp_path), Level.LAYER, "a test", {}, steps=steps, window=None, is_main=True)
    updates = []

    def train_forever():
        model = nn.Linear(2, 1)
        while True:
            model(torch.ones(3, 2)).sum().backward()
            with torch.no_grad():
                model.weight.sub_(model.weight.grad)
            updates.append(model.weight.clone())

    with recording(session), pytest.raises(StopAfterSteps):
        train_forever()
    assert len(updates) == steps
    with TraceReader(tmp_path / MAIN_TRACE) as reader:
        assert reader.steps_completed(reader.streams[0].id) == steps
