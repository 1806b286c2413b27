"""`detaudit check`: what it asks the audit for, and what it makes of the answer."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from detaudit.config import Settings
from detaudit.errors import RunError
from detaudit.model.plan import TargetRef
from tests.results import differing, equal, unverified


@pytest.fixture
def asked(monkeypatch):
    """An audit that notes what it was asked, and gives a prepared answer."""
    calls = []

    def audit(reference, settings, progress):
        calls.append((reference, settings))
        progress.run_started("1", 2, "layer")
        progress.run_ended("1", 12, 3.0)
        if isinstance(audit.answer, Exception):
            raise audit.answer
        return audit.answer

    audit.answer = equal()
    module = ModuleType("detaudit.diagnose.audit")
    module.audit = audit
    monkeypatch.setitem(sys.modules, "detaudit.diagnose.audit", module)
    calls.append(audit)
    return calls


def test_target_arguments_and_settings_reach_the_audit(command, asked):
    command(
        "check",
        "train.py",
        "--runs",
        "3",
        "--timeout",
        "2.5",
        "--level",
        "op",
        "--",
        "--epochs",
        "3",
        "--",
        "x",
    )
    reference, settings = asked[1]
    assert reference == TargetRef("train.py", module=False, args=("--epochs", "3", "--", "x"))
    assert settings == Settings(runs=3, timeout=2.5, level="op")


def test_a_module_is_a_target(command, asked):
    command("check", "-m", "pkg.mod", "--runs", "4")
    assert asked[1][0] == TargetRef("pkg.mod", module=True)
    assert asked[1][1].runs == 4


def test_configuration_reaches_the_audit(command, asked, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text("[tool.detaudit]\nruns = 5\nseed = 7\n")
    monkeypatch.setenv("DETAUDIT_SEED", "8")
    command("check", "train.py")
    assert (asked[1][1].runs, asked[1][1].seed) == (5, 8)


@pytest.mark.parametrize(("answer", "code"), [(equal(), 0), (differing(), 1), (unverified(), 2)])
def test_the_exit_code_is_that_of_the_verdict(command, asked, answer, code):
    asked[0].answer = answer
    ended, out, err = command("check", "train.py")
    assert ended == code
    assert "REPRODUCIBLE" in out or "UNVERIFIED" in out
    assert err.splitlines()[0] == "detaudit: run 1 of 2 started, level layer"


@pytest.mark.usefixtures("asked")
def test_progress_stays_out_of_json_on_standard_output(command):
    _, out, _ = command("check", "train.py", "--json", "-")
    assert json.loads(out)["verdict"] == "reproducible"


@pytest.mark.usefixtures("asked")
def test_text_and_a_json_file(command, tmp_path):
    _, out, _ = command("check", "train.py", "--json", "r.json")
    assert out.startswith("REPRODUCIBLE")
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "reproducible"


def test_an_audit_that_cannot_run_is_told(command, asked):
    asked[0].answer = RunError("no-python", "there is no python", "install it")
    code, out, err = command("check", "train.py")
    assert (code, out) == (2, "")
    assert "detaudit: there is no python [no-python]\n  hint: install it" in err
