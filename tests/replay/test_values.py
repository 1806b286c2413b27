"""The values of a step, kept and replayed in this process: what is measured, and what the program notices."""

from __future__ import annotations

import contextlib
import json
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from detaudit.model.plan import Exchange, Part
from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.recorder import StopAfterSteps
from detaudit.record.session import Session
from detaudit.replay.wire.files import LAYERS
from detaudit.run.listeners import listeners_of
from detaudit.vary.layer_flags import LayerMeasurements, numbers_of
from detaudit.vary.layers import unmeasured


@pytest.fixture
def measure(tmp_path):
    """Run two functions as the two sides, and return what was measured with its rows by layer and value."""

    def measured(first, second=None):
        for part, function in ((Part.KEEPS, first), (Part.TAKES, second or first)):
            folder = tmp_path / part.value
            folder.mkdir()
            session = Session(
                str(folder), Level.LAYER, "a test", {}, 1, None, is_main=True, values=Exchange(tmp_path, part)
            )
            torch.manual_seed(0)
            with recording(session, listeners_of(session)) as recorder, contextlib.suppress(StopAfterSteps):
                function()
            assert not recorder.problems
        return json.loads((tmp_path / Part.TAKES.value / LAYERS).read_text())

    return measured


def rows(measured):
    return {(row["call"][1], row["value"]): row for row in measured["rows"]}


def training(make_model, batch=None, optimizer_of=None):
    """Return a function that trains one step."""

    def train():
        model = make_model()
        optimizer = (optimizer_of or (lambda p: torch.optim.SGD(p, lr=0.1)))(model.parameters())
        model(torch.ones(4, 3) if batch is None else batch()).square().mean().backward()
        optimizer.step()

    return train


def small():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(4, 2))


def test_every_value_of_every_layer_is_measured_and_equal_where_nothing_differs(measure):
    found = rows(measure(training(small)))
    for value in ("output", "gradient of weight", "gradient of bias"):
        assert found["0", value]["isolated"]["elements"] == 0
        assert found["0", value]["propagated"]["elements"] == 0
        assert found["0", value]["second"]["error"] < 1e-6
    assert found["3", "gradient of input"]["isolated"]["elements"] == 0
    assert found["0", "weight"]["phase"] == "optimizer"
    assert not any(row["wrong"] or row["why"] for row in found.values())


def test_an_error_that_is_passed_on_is_apart_as_it_runs_and_not_where_the_layer_is_fed_the_same(measure):
    class Scaled(nn.Linear):
        factor = 1.0

        def forward(self, x):
            return super().forward(x) * self.factor

    def model(factor):
        made = nn.Sequential(Scaled(3, 4), nn.Linear(4, 2))
        made[0].factor = factor
        return made

    found = rows(measure(training(lambda: model(1.0)), training(lambda: model(1.5))))
    assert found["0", "output"]["isolated"]["relative"] > 0.1
    assert found["0", "output"]["apart64"] > 0.1
    assert found["1", "output"]["propagated"]["relative"] > 0.01
    assert found["1", "output"]["isolated"]["elements"] == 0


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) + random.random() + np.random.random()  # noqa: NPY002 - what users do


def test_a_layer_that_draws_is_replayed_with_the_numbers_that_it_drew(measure):
    found = rows(measure(training(lambda: nn.Sequential(nn.Linear(3, 3), Noisy()))))
    assert not found["1", "output"]["why"]
    assert found["1", "output"]["isolated"]["elements"] == 0
    assert found["1", "output"]["second"]["error"] < 1e-6


class Counting(nn.Module):
    """Gives other numbers each time that it is called, for a reason that is in no tensor."""

    calls = 0

    def forward(self, x):
        Counting.calls += 1
        return x * Counting.calls


def test_a_layer_that_cannot_be_replayed_says_so_and_is_not_compared(measure):
    found = rows(measure(training(lambda: nn.Sequential(nn.Linear(3, 3), Counting()))))
    assert "gives other numbers than in the run" in found["1", "output"]["why"]
    assert found["1", "output"]["isolated"] is None


def test_replaying_changes_nothing_for_the_program(tmp_path):
    def run(values):
        folder = tmp_path / ("with" if values else "without")
        folder.mkdir()
        session = Session(str(folder), Level.LAYER, "a test", {}, None, None, is_main=True, values=values)
        torch.manual_seed(0)
        random.seed(0)
        seen = []
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), Noisy(), nn.Dropout(0.5))
        model[0].register_forward_hook(lambda *_: seen.append("called"))
        optimizer = torch.optim.AdamW(model.parameters())
        with recording(session, listeners_of(session)):
            for _ in range(3):
                optimizer.zero_grad()
                model(torch.rand(5, 3)).sum().backward()
                optimizer.step()
        state = [value.clone() for value in model.state_dict().values()]
        return [*state, torch.rand(1), torch.tensor(random.random())], seen

    np.random.seed(0)  # noqa: NPY002 - as users do
    plain, seen_plain = run(None)
    np.random.seed(0)  # noqa: NPY002 - as above
    watched, seen = run(Exchange(tmp_path, Part.KEEPS, 1))
    assert all(map(torch.equal, plain, watched))
    assert seen == seen_plain


@pytest.mark.parametrize(
    "optimizer_of",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.AdamW(p, foreach=True),
        lambda p: torch.optim.AdamW(p, fused=True),
        torch.optim.RMSprop,
    ],
    ids=["sgd", "foreach", "fused", "rmsprop"],
)
def test_the_step_of_an_optimizer_is_replayed(measure, optimizer_of):
    found = rows(measure(training(small, optimizer_of=optimizer_of)))
    assert not found["0", "weight"]["why"]
    assert found["0", "weight"]["isolated"]["elements"] == 0
    assert found["0", "weight"]["second"]["error"] < 1e-6


def test_another_learning_rate_is_measured_in_the_optimizer(measure):
    slow = training(small, optimizer_of=lambda p: torch.optim.SGD(p, lr=0.1))
    fast = training(small, optimizer_of=lambda p: torch.optim.SGD(p, lr=0.2))
    found = rows(measure(slow, fast))
    assert found["3", "gradient of weight"]["isolated"]["elements"] == 0
    assert found["3", "weight"]["isolated"]["relative"] > 1e-4


def test_an_optimizer_with_a_closure_is_said_not_to_be_isolated(measure):
    def train():
        model = nn.Linear(3, 1)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)

        def closure():
            optimizer.zero_grad()
            loss = model(torch.ones(2, 3)).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)

    steps = [row for row in measure(train)["rows"] if row["phase"] == "optimizer"]
    assert steps
    assert all("closure" in row["why"] and row["isolated"] is None for row in steps)


def test_a_program_without_an_optimizer_is_measured_too(measure):
    def train():
        model = nn.Linear(3, 1)
        model(torch.ones(2, 3)).square().mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.sub_(0.1 * parameter.grad)

    found = rows(measure(train))
    assert found["", "gradient of weight"]["isolated"]["elements"] == 0


def test_layers_with_weights_that_a_hook_computes_are_replayed(measure):
    def model():
        old = nn.utils.spectral_norm(nn.Linear(3, 3))
        new = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
        return nn.Sequential(old, new)

    found = rows(measure(training(model)))
    for path in ("0", "1"):
        assert not found[path, "output"]["why"]
        assert found[path, "output"]["second"]["error"] < 1e-6


class Elaborate(nn.Module):
    """Takes keywords, gives a mapping, and casts to a narrow dtype within."""

    def __init__(self):
        super().__init__()
        self.inner = nn.LSTM(3, 3, batch_first=True)

    def forward(self, x, *, scale, names):
        states, (last, _) = self.inner(x[:, None])
        narrow = (states.bfloat16() * scale).float()
        return {"states": narrow, "last": last, names[0]: (narrow > 0).sum()}


def test_keywords_mappings_and_narrow_dtypes_within_a_layer_are_no_obstacle(measure):
    def train():
        model = Elaborate()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        result = model(torch.rand(4, 3), scale=0.5, names=["count"])
        (result["states"].sum() + result["last"].sum()).backward()
        optimizer.step()

    found = rows(measure(train))
    assert not any(row["why"] for row in found.values())
    # What the layer rounds on purpose is an error against float64, and the same on both sides.
    assert 1e-4 < found["", "output"]["second"]["error"] < 1e-2
    assert found["", "output"]["first"] == found["", "output"]["second"]


def test_a_gradient_and_a_call_that_one_side_lacks_are_said(measure):
    class Gate(nn.Module):
        def __init__(self, *, detached, twice):
            super().__init__()
            self.linear, self.more, self.last = (nn.Linear(3, 3) for _ in range(3))
            self.detached, self.twice = detached, twice

        def forward(self, x):
            x = self.more(x) if self.twice else x
            weights = self.linear(x).sigmoid()
            return self.last(x * (weights.detach() if self.detached else weights))

    whole = training(lambda: Gate(detached=False, twice=True))
    lacking = training(lambda: Gate(detached=True, twice=False))
    found = measure(whole, lacking)
    assert [row["only"] for row in found["rows"] if row["only"]] == ["first"]
    assert rows(found)["", "gradient of linear.weight"]["wrong"] == "no gradient in the second run"


def test_values_beyond_the_limit_are_said_not_to_be_kept(measure, monkeypatch):
    monkeypatch.setattr("detaudit.replay.calls.keep.MOST_BYTES", 200)
    found = measure(training(small))
    assert any("GiB" in why for _, why in found["unkept"])


def test_a_recomputed_layer_is_measured_once(measure):
    class Recomputed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            x = self.first(x)
            return torch.utils.checkpoint.checkpoint(self.second, x, use_reentrant=False)

    found = measure(training(Recomputed))
    calls = [tuple(row["call"]) for row in found["rows"] if row["value"] == "output"]
    assert len(calls) == len(set(calls)) == 3
    assert not any(row["why"] for row in found["rows"])
    # In float64 too, it is recomputed in float64.
    assert all(row["first"]["error"] < 1e-6 for row in found["rows"] if row["first"] is not None)
    weight = next(row for row in found["rows"] if row["value"] == "gradient of second.weight")
    assert weight["first"] is not None


def test_a_step_in_the_wrong_direction_shows_however_small_it_is(measure):
    """A step far below the size of a weight is judged by itself, not by the weight that it leaves."""

    def sgd(rate, **options):
        return lambda parameters: torch.optim.SGD(parameters, lr=rate, **options)

    found = measure(
        training(small, optimizer_of=sgd(1e-5)), training(small, optimizer_of=sgd(1e-5, maximize=True))
    )
    numbers = list(numbers_of(LayerMeasurements.from_plain(found), 0))
    assert {one.value for one in numbers if one.flagged} >= {"weight.change", "bias.change"}
    assert all(one.phase == "optimizer" for one in numbers if one.flagged)


def test_functions_of_the_program_are_called_without_its_output(measure, capsys):
    class Talking(nn.Module):
        def forward(self, x):
            print("forward")  # noqa: T201 - what is tested
            return functional.gelu(x)

    measure(training(lambda: nn.Sequential(nn.Linear(3, 3), Talking())))
    assert capsys.readouterr().out == "forward\n" * 2


def scaling(graph, _inputs):
    """A compiler that makes a mistake of one percent."""

    @torch._dynamo.disable
    def compiled(*args):
        return tuple(value * 1.01 for value in graph(*args))

    return compiled


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x):
        return functional.gelu(self.linear(x))


def partly(*, compiles):
    model = nn.Sequential(nn.Linear(3, 4), Inner())
    if compiles:
        model[1].compile(backend=scaling)
    return model


@pytest.mark.parametrize(
    ("backend", "wrong"), [("aot_eager", set()), (scaling, {"output"})], ids=["right", "one percent off"]
)
def test_a_compiled_module_is_measured_as_a_whole(measure, backend, wrong):
    found = measure(training(small), training(lambda: torch.compile(small(), backend=backend)))
    numbers = list(numbers_of(LayerMeasurements.from_plain(found), 0))
    assert {one.value for one in numbers if one.flagged and one.phase == "forward"} == wrong
    (root,) = (one for one in numbers if (one.root, one.module, one.value) == ("Sequential", "", "output"))
    assert root.isolated is not None
    assert bool(root.isolated.elements) == bool(wrong)
    assert not list(unmeasured(LayerMeasurements.from_plain(found)))


def test_what_is_compiled_in_place_is_measured_with_what_is_around_it(measure):
    found = measure(training(lambda: partly(compiles=False)), training(lambda: partly(compiles=True)))
    numbers = list(numbers_of(LayerMeasurements.from_plain(found), 0))
    assert [one.module for one in numbers if one.flagged and one.value == "output"] == [""]


def test_a_model_that_is_compiled_in_place_is_said_to_be_out_of_sight(measure):
    def compiled():
        model = partly(compiles=False)[1]
        model.compile(backend="aot_eager")
        return model

    def batch():
        return torch.ones(2, 4)

    measured = LayerMeasurements.from_plain(measure(training(Inner, batch), training(compiled, batch)))
    assert not any(one.flagged for one in numbers_of(measured, 0))
    assert any("within compiled code" in why for why in unmeasured(measured))
