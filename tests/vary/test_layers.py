"""Wrong layers are found, and they alone, while all other arithmetic differs too."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

from detaudit.model.codec import to_plain
from detaudit.model.plan import Exchange, Part, RunPlan, TargetRef
from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.recorder import StopAfterSteps
from detaudit.record.session import Session
from detaudit.replay.arithmetic.beyond_rounding import FACTOR, Error, another_function, out_of_proportion
from detaudit.replay.wire.files import LAYERS
from detaudit.replay.wire.layers import ValueRow
from detaudit.run.listeners import listeners_of
from detaudit.run.progress import Silence
from detaudit.run.runs import Runs
from detaudit.targets.drive import default_loss
from detaudit.targets.find import find_target
from detaudit.vary.experiment import ConditionPair
from detaudit.vary.layer_flags import LayerMeasurements, numbers_of
from detaudit.vary.layers import measure_layers

PLANTED = Path(__file__).parent / "planted"
# Faults that can be told apart in one run: none is inside of another's layer.
TOGETHER = {
    "transformer": ["", "epsilon,transposed,scale,mask", "accumulation,detached"],
    "convnet": ["", "epsilon,transposed,accumulation,mask", "scale,detached"],
    "lstm": ["", "epsilon,transposed,scale,accumulation", "mask,detached"],
}
UNIT = torch.finfo(torch.float32).eps


def load(name):
    spec = importlib.util.spec_from_file_location(f"planted_{name}", PLANTED / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, folder, part, dtype):
    """Train one step of a planted model in this process, and keep or hold its values."""
    own = folder / f"{part.value}{len(list(folder.iterdir()))}"
    own.mkdir()
    values = Exchange(folder, part)
    session = Session(str(own), Level.LAYER, "a test", {}, 1, None, is_main=True, values=values)
    torch.manual_seed(0)
    file = load(name)
    with recording(session, listeners_of(session)) as recorder, suppress(StopAfterSteps):
        model = file.make_model().to(dtype)
        optimizer = file.make_optimizer(model)
        batch = [part.to(dtype) if part.is_floating_point() else part for part in file.make_batches()[0]]
        loss_of = getattr(file, "loss_fn", default_loss)
        loss_of(model, torch.stack(batch) if name == "transformer" else batch).backward()
        optimizer.step()
    assert not recorder.problems
    return own


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder in which the first side of a model, in float32 and with oneDNN, left its values."""
    folders = {}

    def kept_of(name):
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            run(name, folders[name], Part.KEEPS, torch.float32)
        return folders[name]

    sys.path.insert(0, str(PLANTED))
    yield kept_of
    sys.path.remove(str(PLANTED))


@contextmanager
def without_mkldnn():
    # Not torch's own manager, which warns of a setting for other devices.
    torch._C._set_mkldnn_enabled(False)  # noqa: FBT003 - it takes no name
    yield
    torch._C._set_mkldnn_enabled(True)  # noqa: FBT003 - as above


def flagged(name, folder, dtype=torch.float32):
    own = run(name, folder, Part.TAKES, dtype)
    measured = LayerMeasurements.from_plain(json.loads((own / LAYERS).read_text()))
    numbers = list(numbers_of(measured, 0))
    assert not [one.why for one in numbers if one.why and not one.flagged]
    return {one.module for one in numbers if one.flagged}


@pytest.mark.parametrize(
    ("name", "faults"), [(name, faults) for name, groups in TOGETHER.items() for faults in groups]
)
def test_each_planted_layer_is_flagged_as_the_maker_and_no_other(kept, monkeypatch, name, faults):
    folder = kept(name)
    monkeypatch.setenv("PLANTED", faults)
    with without_mkldnn():
        makers = flagged(name, folder)
    assert makers == {load(name).MAKERS[fault] for fault in faults.split(",") if fault}


@pytest.mark.parametrize("name", TOGETHER)
def test_a_coarser_dtype_alone_flags_no_layer(kept, name):
    assert flagged(name, kept(name), torch.bfloat16) == set()


def test_an_error_is_judged_by_rounding_and_by_the_other_side():
    exact, rounded = Error(0.0, UNIT, UNIT, 0.0), Error(2 * UNIT, UNIT, UNIT, 2 * UNIT)
    wrong = Error(2 * FACTOR * UNIT, UNIT, UNIT, 2 * FACTOR * UNIT)
    assert not out_of_proportion(rounded, exact)
    assert out_of_proportion(wrong, exact)
    assert out_of_proportion(wrong, rounded)
    assert not out_of_proportion(wrong, wrong)


def test_errors_of_two_dtypes_are_judged_each_in_its_own_units():
    coarse = torch.finfo(torch.bfloat16).eps
    ill = 100.0
    fine, broad = (Error(ill * unit, unit, unit, ill * unit) for unit in (UNIT, coarse))
    assert not out_of_proportion(broad, fine)
    assert out_of_proportion(broad, Error(UNIT, UNIT, UNIT, UNIT))


def test_two_functions_differ_in_float64_already():
    assert another_function(1e-6, noise=UNIT, unit=UNIT)
    assert not another_function(1e-14, noise=UNIT, unit=UNIT)
    assert not another_function(1e-6, noise=math.inf, unit=UNIT)


def row(path, value="output", phase="forward", **more):
    call = ("Net", path, "forward", 0)
    plain = ValueRow(call=call, kind="Linear", phase=phase, value=value, noise=UNIT, unit=UNIT)
    return {**to_plain(plain), **more}


EMPTY = {"rows": [], "parents": [], "unkept": [], "compiled": False, "definitions": [], "autocast": [[], []]}


def judged(*rows, parents=(), compiled=False):
    """Return what is flagged, by module and value, with the reason."""
    measured = LayerMeasurements.from_plain(
        {**EMPTY, "rows": list(rows), "parents": list(parents), "compiled": compiled}
    )
    return {(one.module, one.value): one.why for one in numbers_of(measured, 0) if one.flagged}


INSIDE = ([["Net", "block.norm", "forward", 0], ["Net", "block", "forward", 0]],
          [["Net", "block", "forward", 0], ["Net", "", "forward", 0]])  # fmt: skip


def test_the_innermost_layer_that_is_wrong_is_the_maker():
    wrong = [row(path, apart64=0.1) for path in ("", "block", "block.norm", "out")]
    assert set(judged(*wrong, parents=INSIDE)) == {("block.norm", "output"), ("out", "output")}
    assert set(judged(*wrong[:2], parents=INSIDE)) == {("block", "output")}


def test_a_layer_that_runs_on_one_side_only_is_flagged_unless_it_is_compiled():
    lone = [row(path, only="first") for path in ("block", "block.norm")]
    assert judged(*lone, parents=INSIDE) == {("block", "output"): "runs in the first run only"}
    assert not judged(*lone, parents=INSIDE, compiled=True)


def test_a_layer_of_which_rounding_leaves_nothing_is_wrong_however_well_that_is_explained():
    """A variance as the difference of two large means: in bfloat16 no digit is right, in float32 most are."""
    fine = {"error": 1e-5, "noise": 2e-5, "unit": UNIT, "distance": 1e-4}
    gone = {"error": 0.99, "noise": 2.0, "unit": 2.0**-7, "distance": 9.9}
    apart = {"relative": 0.99, "ulp": 1.0, "elements": 3, "of": 9}
    assert judged(row("norm", isolated=apart, first=fine, second=gone))
    # Both have nothing left: an exact zero, say. Or a choice that rounding decides. Or gradients that cancel.
    assert not judged(row("norm", isolated=apart, first={**gone, "unit": UNIT}, second=gone))
    assert not judged(row("norm", isolated=apart, first=fine, second={**gone, "noise": math.inf}))
    assert not judged(row("norm", "gradient of bias", "backward", isolated=apart, first=fine, second=gone))


def test_a_reference_that_is_another_number_blames_neither_run():
    """Some layers take their epsilon from the dtype: in float64 they compute something else."""
    far = {"noise": UNIT, "unit": UNIT, "distance": 1e-3}
    errors = {"first": {"error": 1e-3, **far}, "second": {"error": 1e-3, **far, "distance": 9e-3}}
    apart = {"ulp": 1.0, "elements": 3, "of": 9}
    assert not judged(row("norm", isolated={"relative": UNIT, **apart}, **errors))
    assert judged(row("norm", isolated={"relative": 2e-3, **apart}, **errors))


@pytest.mark.parametrize("relative", [0.5, math.nan])
def test_other_weights_before_the_step_and_other_batches_are_flagged(relative):
    apart = {"relative": relative, "ulp": 9.0, "elements": 3, "of": 9}
    start = row("", "0.weight before the step", propagated=apart, origin="start")
    assert judged(start, row("", "input", propagated=apart, origin="batch")).keys() == {
        ("", "0.weight before the step"),
        ("", "input"),
    }
    assert not judged(row("", "input", propagated=apart, origin="outside"))


def test_weights_that_were_only_rounded_otherwise_are_not_flagged():
    apart = {"relative": UNIT, "ulp": 1.0, "elements": 3, "of": 9}
    assert not judged(row("", "0.weight before the step", propagated=apart, origin="start"))


def test_of_a_parameter_inside_of_another_layer_only_what_is_wrong_is_shown():
    inner = row("", "gradient of 0.weight", "backward", inner=True)
    plain = EMPTY
    assert not list(numbers_of(LayerMeasurements.from_plain({**plain, "rows": [inner]}), 0))
    assert judged({**inner, "wrong": "no gradient in the second run"})


def test_a_weight_within_a_module_called_output_is_made_there_as_any_other():
    """By its name, `gradient of output.weight` is not told from what arrives at an output."""
    parents = [[["Net", "output", "forward", 0], ["Net", "", "forward", 0]]]
    wrong = row("output", "gradient of weight", "backward", apart64=0.1)
    outer = row("", "gradient of output.weight", "backward", inner=True, apart64=0.1)
    assert set(judged(outer, wrong, parents=parents)) == {("output", "gradient of weight")}


MODEL = """
import os
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x):
        if os.environ.get("BREAKS"):
            raise ValueError("broken")
        x = self.first(x).sigmoid()
        return self.last(x * 1.01 if os.environ.get("SCALED") else x)

def make_model():
    return Net()

def make_batches():
    return [torch.rand(9, 4) for _ in range(3)]
"""


@pytest.fixture
def pair(tmp_path, forked):  # noqa: ARG001 - for what it does
    """Return a function that makes a pair of a small model file under two environments."""
    path = tmp_path / "net.py"
    path.write_text(MODEL)

    def pair_of(variable):
        target = find_target(TargetRef(str(path)))
        plan = RunPlan(target, 1, Level.LAYER, 0)
        other = RunPlan(target, 1, Level.LAYER, 0, variables=((variable, "1"),))
        return ConditionPair(plan, other, ("plain", variable), Runs(tmp_path / "runs", Silence()))

    return pair_of


def test_the_maker_is_found_in_runs_of_their_own_in_a_later_step(pair):
    report = measure_layers(pair("SCALED"), step=1)
    assert {one.module for one in report.layers if one.flagged} == {""}
    assert {one.step for one in report.layers} == {1}
    last = next(one for one in report.layers if (one.module, one.value) == ("last", "output"))
    assert last.propagated.elements
    assert last.isolated.elements == 0
    assert not report.problems


def test_a_run_that_fails_is_said_and_measures_nothing(pair):
    report = measure_layers(pair("BREAKS"), step=0)
    assert not report.layers
    assert any("BREAKS failed" in problem for problem in report.problems)
