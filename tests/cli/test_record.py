"""`detaudit record`: one run, its exit code and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from detaudit.model.plan import RunOutcome, TargetRef


def outcome(**changes):
    values = {"id": "1", "trace": Path("run.trace"), "exit_code": 0, "seconds": 3.0, "timed_out": False}
    return RunOutcome(**{**values, "stdout": Path("o"), "stderr": Path("e"), **changes})


@pytest.fixture
def recording(monkeypatch):
    """A recorder that notes what it was asked, and gives a prepared outcome."""
    calls = []

    def record(reference, settings, output, progress):
        del progress
        calls.append((reference, settings, output))
        return record.outcome

    record.outcome = outcome()
    module = ModuleType("detaudit.run.runs")
    module.record = record
    monkeypatch.setitem(sys.modules, "detaudit.run.runs", module)
    calls.append(record)
    return calls


def test_target_settings_and_file_reach_the_recorder(command, recording):
    code, out, err = command("record", "train.py", "-o", "run.trace", "--level", "op", "--", "--epochs", "3")
    assert (code, out, err) == (0, "", "detaudit: recorded in run.trace\n")
    reference, settings, output = recording[1]
    assert reference == TargetRef("train.py", args=("--epochs", "3"))
    assert (settings.level, output) == ("op", Path("run.trace"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exit_code": 5}, "exit code 5; what it did until then is in run.trace"),
        ({"timed_out": True, "exit_code": -9}, "stopped after 3 s"),
        ({"trace": None}, "nothing to record"),
        (
            {"problem": "no disk"},
            "not everything was recorded: no disk; what it did until then is in run.trace",
        ),
    ],
)
def test_a_run_that_failed_is_told(command, recording, changes, words):
    recording[0].outcome = outcome(**changes)
    code, out, err = command("record", "train.py", "-o", "run.trace")
    assert (code, out) == (2, "")
    assert words in err
