"""`detaudit check`: what it asks the audit for, and what it makes of the answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from detaudit.diagnose.options import AuditOptions
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
    assert settings == AuditOptions(runs=3, timeout=2.5, level="op")


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


def test_the_cause_is_looked_for_unless_that_is_switched_off(command, asked, tmp_path):
    command("check", "train.py")
    command("check", "train.py", "--no-diagnose")
    (tmp_path / "pyproject.toml").write_text("[tool.detaudit]\ndiagnose = false\n")
    command("check", "train.py")
    command("check", "train.py", "--diagnose")
    assert [settings.diagnose for _, settings in asked[1:]] == [True, False, False, True]


def test_folders_for_what_is_written_reach_the_audit(command, asked, tmp_path):
    command("check", "train.py", "--repro", "new/scripts", "--fix", "copies")
    settings = asked[1][1]
    assert (settings.repro, settings.fix) == (Path("new/scripts"), Path("copies"))
    # They are made when there is something to write.
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--repro", "--fix"])
def test_a_folder_that_cannot_be_written_to_is_told_before_the_audit(command, asked, tmp_path, option):
    (tmp_path / "file").write_text("")
    code, out, err = command("check", "train.py", option, "file/folder")
    assert (code, out, len(asked)) == (2, "", 1)
    assert err.startswith(f"detaudit: {tmp_path}/file is not a folder [output-unwritable]")


@pytest.mark.parametrize("option", ["--repro", "--fix"])
@pytest.mark.parametrize("more", [["--no-diagnose"], ["--level", "layer"]])
def test_what_needs_the_cause_is_refused_where_it_is_not_looked_for(command, asked, option, more):
    code, _, err = command("check", "train.py", option, "folder", *more)
    assert (code, len(asked)) == (2, 1)
    assert f"{option} needs the search for the cause, which is off" in err


@pytest.mark.parametrize("first", ["--diagnose", "--no-diagnose"])
def test_a_switch_is_given_once(command, asked, first):
    code, _, err = command("check", "train.py", first, "--no-diagnose")
    assert (code, len(asked)) == (2, 1)
    assert "--no-diagnose is given more than once" in err


@pytest.mark.parametrize(
    ("given", "text"), [(["--perturb"], "all"), (["--perturb", "clock,threads"], "clock,threads"), ([], None)]
)
def test_perturb_by_itself_means_all(command, asked, given, text):
    command("check", "train.py", *given)
    assert asked[1][1].perturb == text


def test_a_target_behind_perturb_is_not_taken_for_a_name(command, asked):
    code, _, told = command("check", "--perturb", "train.py")
    assert code == 2
    assert "detaudit check train.py --perturb" in told
    assert len(asked) == 1
