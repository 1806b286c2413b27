"""A torch that is older than detaudit knows is refused in words, and never makes the program fail."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from detaudit.cli.main import main
from detaudit.compare.result import shortcomings
from detaudit.diagnose.same_process import call_recorded
from detaudit.errors import EXIT_UNVERIFIED, TorchError
from detaudit.model.plan import RunPlan, Target, TargetKind
from detaudit.model.trace import Level
from detaudit.torch_private.supported import OLDEST, refuse_older, torch_version, why_too_old
from detaudit.trace.reader import TraceReader

ROOT = Path(__file__).parents[2]
TOO_OLD = "torch 2.10.1+cpu is too old: detaudit needs torch 2.11 or later"
PLAN = RunPlan(Target(TargetKind.TEST, "a test"), 1, Level.LAYER, 0)
PRETENDED = """
from torch import _C
__version__ = '2.10.1+cpu'
class Generator:
    seed = manual_seed = set_state = lambda *_: None
"""
MODEL = "def make_model(): raise AssertionError\ndef make_batches(): raise AssertionError\n"


@pytest.fixture
def old_torch(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.10.1+cpu")


@pytest.mark.parametrize("version", ["2.11", "2.11.0a0+git1f2e", "2.13.0+cpu", "2.100.0", "3.0", "unknown"])
def test_what_is_new_enough_is_not_refused(version):
    assert why_too_old(version) is None


@pytest.mark.parametrize("version", ["2.10.1+cpu", "2.9.0", "1.13.1", "2.1"])
def test_what_is_too_old_is(version):
    assert why_too_old(version) == f"torch {version} is too old: detaudit needs torch 2.11 or later"


def test_the_oldest_torch_is_stated_where_pip_reads_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"torch>={'.'.join(map(str, OLDEST))}" in project["dependencies"]


def test_the_torch_that_is_loaded_counts_and_else_the_one_that_would_be(monkeypatch, tmp_path):
    loaded = str(torch.__version__)
    assert torch_version() == loaded
    monkeypatch.delitem(sys.modules, "torch")
    assert torch_version() == loaded
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert torch_version() is None
    refuse_older()
    (tmp_path / "torch" / "version.py").write_text('import os\n\n__version__ = "2.10.1+cpu"\ncuda = None\n')
    with pytest.raises(TorchError, match=re.escape(TOO_OLD)):
        refuse_older()


def test_nothing_is_refused_where_there_is_no_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    assert torch_version() is None
    refuse_older()


@pytest.mark.usefixtures("old_torch")
@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "program.py"],
        ["record", "program.py", "-o", "a.trace"],
        ["lock", "program.py"],
        ["check", "model.py", "--vary", "batch=1,2"],
    ],
    ids=" ".join,
)
def test_nothing_is_started_with_a_torch_that_is_too_old(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    Path("program.py").write_text("open('ran', 'w')")
    Path("model.py").write_text(MODEL)
    assert main(arguments) == EXIT_UNVERIFIED
    assert f"detaudit: {TOO_OLD} [torch-too-old]\n  hint: install a newer one" in capsys.readouterr().err
    assert not Path("ran").exists()


@pytest.mark.usefixtures("old_torch")
def test_a_call_in_this_process_is_not_recorded_with_a_torch_that_is_too_old(tmp_path):
    called = []
    with pytest.raises(TorchError, match=re.escape(TOO_OLD)):
        call_recorded(lambda: called.append(1), PLAN, tmp_path)
    assert not called


@pytest.mark.parametrize("ledger", [False, True])
def test_a_program_that_loads_another_torch_goes_on_and_the_run_is_no_evidence(run_program, tmp_path, ledger):
    """Which torch a program finds, nobody knows before it does."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(PRETENDED)
    (tmp_path / "torch" / "_C.py").write_text("")
    outcome = run_program("import torch\nprint('trained with', torch.__version__)\n", ledger=ledger)
    assert (outcome.exit_code, outcome.problem) == (0, TOO_OLD)
    assert outcome.stdout.read_text() == "trained with 2.10.1+cpu\n"
    with TraceReader(outcome.trace) as reader:
        assert list(shortcomings("1", reader)) == [f"run 1 was not recorded completely: {TOO_OLD}"]
