"""An axis is added by adding a file: nothing else has to know of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import detaudit
from detaudit.axes.catalogue import AXES

AXIS = '''
"""The precision of matrix products in float32."""

from detaudit.axes.axis import Axis
from detaudit.axes.axis import OnModel
from detaudit.axes.axis import words
from detaudit.model.variation import Promise


class _Doubled(OnModel):
    sets_tensors = True

    def cast(self, tensor):
        return tensor * 2 if tensor.is_floating_point() else tensor


def _set(precision):
    import torch

    torch.set_float32_matmul_precision(precision)


def _in_force(reader, precision):
    used = reader.info.environment.get("float32_matmul_precision", precision)
    return None if used == precision else f"the program set it to {used}"


AXIS = Axis(
    name="matmul-precision",
    owes=Promise.BITS,
    syntax=words("highest", "medium"),
    environment=lambda precision: {"PRECISION_ASKED_FOR": precision},
    in_process=_set,
    model=lambda precision: _Doubled() if precision == "medium" else None,
    in_force=_in_force,
)
'''
SCRIPT = """
import os
import torch

torch.manual_seed(0)
{first}
model = torch.nn.Linear(2, 1)
scale = 1 if os.environ["PRECISION_ASKED_FOR"] == "highest" else {scale}
for _ in range(2):
    model(torch.ones(4, 2) * scale).sum().backward()
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 0.1 * weight.grad
            weight.grad = None
"""
MODEL = """
import torch

def make_model():
    return torch.nn.Linear(2, 1)

def make_batches():
    return [torch.ones(4, 2) for _ in range(2)]
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of the package with one more file among its axes: the folder to start it in."""
    folder = tmp_path_factory.mktemp("package")
    origin = Path(detaudit.__file__).parent
    shutil.copytree(origin, folder / "detaudit", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "detaudit" / "axes" / "matmul_precision.py").write_text(AXIS)
    return folder


@pytest.fixture
def checked(package):
    """Vary the axis on the command line; the exit status, the result and what was said."""

    def check(program, values):
        result = package / "result.json"
        result.unlink(missing_ok=True)
        (package / "train.py").write_text(program)
        environment = {**os.environ, "PYTHONPATH": str(package)}
        arguments = ["check", "train.py", "--vary", f"matmul-precision={values}", "--no-diagnose"]
        command = [sys.executable, "-m", "detaudit", *arguments, "--json", "result.json"]
        ended = subprocess.run(
            command, cwd=package, env=environment, capture_output=True, text=True, check=False
        )
        return ended.returncode, json.loads(result.read_text()) if result.exists() else None, ended.stderr

    return check


def test_a_value_of_an_axis_in_a_file_is_checked(checked):
    status, _, said = checked(SCRIPT, "highest,mediun")
    assert status == 2
    assert "matmul-precision cannot be 'mediun'" in said
    assert "did you mean medium?" in said


@pytest.mark.slow
def test_an_axis_in_a_file_is_set_and_compared_by_what_it_owes(checked):
    status, result, _ = checked(SCRIPT.format(first="", scale=1), "highest,medium")
    assert (status, result["verdict"]) == (0, "reproducible")
    (variation,) = result["varied"]
    assert (variation["axes"], variation["promise"]) == (["matmul-precision"], "bits")
    assert variation["second"] == "matmul-precision=medium"

    status, result, _ = checked(SCRIPT.format(first="", scale=3), "highest,medium")
    assert (status, result["verdict"]) == (1, "not-reproducible")
    (finding,) = result["findings"]
    assert finding["message"].startswith("with matmul-precision=medium, other bits than")


@pytest.mark.slow
def test_an_axis_in_a_file_that_has_no_effect_gives_no_answer(checked):
    sets_it = "torch.set_float32_matmul_precision('highest')"
    _, result, _ = checked(SCRIPT.format(first=sets_it, scale=1), "highest,medium")
    assert result["verdict"] == "unverified"
    assert result["reason"] == "matmul-precision=medium had no effect: the program set it to highest"


@pytest.mark.slow
def test_an_axis_in_a_file_does_something_to_a_model_that_is_driven(checked):
    status, result, _ = checked(MODEL, "highest,medium")
    assert (status, result["verdict"]) == (1, "not-reproducible")


def test_without_that_file_the_axis_does_not_exist():
    assert "matmul-precision" not in AXES


def test_axes_are_read_without_torch():
    """The command line reads them before anything is run."""
    program = "import sys, detaudit.axes.catalogue, detaudit.vary.axis_syntax; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
