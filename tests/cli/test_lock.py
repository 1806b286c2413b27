"""`detaudit lock`: what it writes, what it says, and when it writes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from detaudit.reference.lock_file import read_lock
from tests.locks import Runs

LOCK = Path("detaudit.lock")
DIFFERENCE = "the run differs from the lock in the weights of Net.conv"
IRREPRODUCIBLE = "the weight conv.weight differs after the step although its gradient agrees"


@pytest.fixture
def runs(monkeypatch):
    """What the runs leave; two scripts are there."""
    for name in ("train.py", "other.py"):
        Path(name).write_text("lr = 1\n")
    monkeypatch.delenv("CI", raising=False)
    made = Runs()
    monkeypatch.setattr("detaudit.run.runs.execute", made)
    return made


def names():
    return [block.target.name for block in read_lock(LOCK).blocks]


def test_targets_are_locked_together_and_told(command, runs):
    code, out, err = command("lock", "train.py", "other.py")
    assert (code, names(), len(runs.plans)) == (0, ["other.py", "train.py"], 2)
    assert out.splitlines()[0] == "train.py: new, 25 things in 3 steps"
    assert "holds for device cpu, cpu Intel, torch 2.13.0, threads 2" in out
    assert out.endswith("detaudit.lock written\n")
    assert err == "detaudit: locking train.py\ndetaudit: locking other.py\n"


def test_what_is_locked_is_held_by_check(command, runs):
    command("lock", "train.py")
    assert command("check", "train.py", "--lock", LOCK)[0] == 0
    runs.coming = [{"weight": 0.02}]
    code, out, _ = command("check", "train.py", "--lock", LOCK)
    assert code == 1
    assert "the run differs from detaudit.lock in the weights of Net.conv" in out.replace("\n", " ").replace(
        "  ", ""
    )


def test_the_lock_of_the_configuration_is_the_one_that_is_written_and_held(command, runs):
    Path("locks").mkdir()
    Path("pyproject.toml").write_text('[tool.detaudit]\nlock = "locks/all.lock"\n')
    assert command("lock", "train.py")[0] == 0
    assert [block.target.name for block in read_lock(Path("locks/all.lock")).blocks] == ["../train.py"]
    assert command("check", "train.py")[0] == 0
    assert len(runs.plans) == 2


def test_locking_again_says_what_changed(command, runs):
    command("lock", "train.py")
    assert (
        command("lock", "train.py")[1]
        == "train.py: not changed, 25 things in 3 steps\ndetaudit.lock not changed\n"
    )
    runs.coming = [{"weight": 0.02}]
    assert command("lock", "train.py")[1].splitlines() == [
        "train.py: updated, 25 things in 3 steps",
        "  2 of the 25 things that it had before differ",
        f"  first in step 1, optimizer: {DIFFERENCE}, by about 2.0e-02 (relative)",
        "detaudit.lock written",
    ]


def test_what_does_not_repeat_itself_is_not_locked_and_the_rest_is(command, runs):
    runs.coming = [{}, {"weight": 0.02}, {}, {}]
    code, out, _ = command("lock", "train.py", "other.py", "--", "--fast")
    assert (code, names()) == (1, ["other.py"])
    assert out.splitlines()[:3] == [
        f"train.py -- --fast: NOT LOCKED, its two runs differ: {IRREPRODUCIBLE}",
        "  train.py:7",
        "  `detaudit check train.py -- --fast` looks for the cause",
    ]


def test_what_fails_is_not_locked_and_its_words_are_shown(command, runs):
    runs.coming = [{"exit_code": 3}]
    code, out, _ = command("lock", "train.py")
    assert (code, LOCK.exists()) == (2, False)
    assert "NOT LOCKED: run 1 ended with exit status 3" in out
    assert "ValueError: no numbers" in out
    assert out.endswith("detaudit.lock not changed\n")


def test_options_reach_the_runs(command, runs):
    command("lock", "train.py", "--steps", "2", "--level", "step", "--timeout", "9")
    (plan,) = runs.plans
    assert (plan.runs, plan.steps, plan.level, plan.timeout, plan.sketches) == (2, 2, "step", 9.0, True)


def test_other_environments_stay_unless_they_are_to_be_replaced(command, runs):
    command("lock", "train.py", "other.py")
    runs.coming = [{"environment": {"torch": "2.14.0"}}]
    assert "train.py: new for this environment" in command("lock", "train.py")[1]
    assert len(read_lock(LOCK).blocks) == 3
    command("lock", "train.py", "--replace")
    held = {(block.target.name, block.environment["torch"]) for block in read_lock(LOCK).blocks}
    assert held == {("train.py", "2.14.0"), ("other.py", "2.13.0")}


def test_targets_that_are_gone_are_forgotten_when_that_is_asked_for(command, runs):
    command("lock", "train.py", "other.py")
    Path("other.py").unlink()
    assert names() == ["other.py", "train.py"]
    command("lock", "train.py")
    assert names() == ["other.py", "train.py"]
    code, out, _ = command("lock", "--prune")
    assert (code, names()) == (0, ["train.py"])
    assert out == "other.py: forgotten, its file is gone\ndetaudit.lock written\n"
    assert len(runs.plans) == 3


@pytest.mark.parametrize("value", ["true", "1", "woodpecker"])
def test_in_ci_nothing_is_written_unless_that_is_asked_for(command, runs, monkeypatch, value):
    monkeypatch.setenv("CI", value)
    code, out, err = command("lock", "train.py")
    assert (code, out, runs.plans, LOCK.exists()) == (2, "", [], False)
    assert "CI is set: a lock that CI itself writes would check nothing [lock-in-ci]" in err
    assert command("lock", "train.py", "--update")[0] == 0
    assert names() == ["train.py"]


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_ci_that_is_off_is_no_ci(command, runs, monkeypatch, value):
    monkeypatch.setenv("CI", value)
    assert command("lock", "train.py")[0] == 0
    assert len(runs.plans) == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe",
        b"something else\n",
        b"detaudit-lock\t9\tnewer\n",
        b"<<<<<<< HEAD\ndetaudit-lock\t1\txxh3-128-tree256k-1\n",
    ],
)
def test_a_lock_that_is_not_whole_is_told_and_left_as_it_is(command, runs, damage):
    LOCK.write_bytes(damage)
    for verb in (("lock", "train.py"), ("check", "train.py", "--lock", LOCK)):
        code, out, err = command(*verb)
        assert (code, out, runs.plans) == (2, "", [])
        assert err.startswith("detaudit: detaudit.lock")
        assert "hint:" in err
    assert LOCK.read_bytes() == damage


def test_a_lock_that_was_edited_is_told_by_its_line_and_left_as_it_is(command, runs):
    command("lock", "train.py")
    edited = LOCK.read_text().replace("threads\t2", "threads\t4")
    LOCK.write_text(edited)
    ran = len(runs.plans)
    for verb in (("lock", "other.py"), ("check", "train.py", "--lock", LOCK)):
        code, _, err = command(*verb)
        assert (code, len(runs.plans)) == (2, ran)
        assert "do not fit their checksum: they were edited or merged by hand [lock-damaged]" in err
        assert "git checkout -- detaudit.lock" in err
    assert LOCK.read_text() == edited


def test_names_that_are_wrong_are_told_before_anything_runs(command, runs):
    for wrong in (["lock"], ["lock", "train.py", "missing.py"], ["lock", "train.py", "-o", "no/folder.lock"]):
        code, out, err = command(*wrong)
        assert (code, out, runs.plans) == (2, "", [])
        assert "hint:" in err


def test_a_lock_that_is_not_there_is_told(command, runs):
    code, _, err = command("check", "train.py", "--lock", LOCK)
    assert (code, runs.plans) == (2, [])
    assert "there is no lock detaudit.lock [lock-missing]\n  hint: `detaudit lock TARGET` writes one" in err


TRAINING = """
    import os
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.Tanh(), torch.nn.Linear(256, 1))
    scale = float(os.environ.get("SCALE", "1"))
    for step in range(2):
        model.zero_grad()
        loss = model(torch.randn(512, 64)).square().mean() * scale
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= 0.1 * parameter.grad
"""


@pytest.mark.slow
def test_a_real_training_is_locked_and_held(tmp_path):
    (tmp_path / "train.py").write_text(textwrap.dedent(TRAINING))
    environment = {name: value for name, value in os.environ.items() if name != "CI"}

    def detaudit(*arguments, **variables):
        command = [sys.executable, "-m", "detaudit", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, "OMP_NUM_THREADS": "2", **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    assert detaudit("lock", "train.py").stdout.startswith("train.py: new, 20 things in 2 steps\n")
    check = ("check", "train.py", "--lock", "detaudit.lock")
    changed = detaudit(*check, "--tolerance", "1e-3", SCALE="1.02")
    assert changed.returncode == 1
    assert "the run differs from detaudit.lock in the loss, by about 2.0e-02 (relative)" in changed.stdout
    assert "train.py:11" in changed.stdout
    elsewhere = detaudit(*check, "--tolerance", "1e-4", "--json", "-", OMP_NUM_THREADS="1")
    (reference,) = json.loads(elsewhere.stdout)["references"]
    assert (elsewhere.returncode, reference["environment"]) == (0, {"threads": ["2", "1"]})
    assert reference["state"] in {"equal", "within-tolerance"}
