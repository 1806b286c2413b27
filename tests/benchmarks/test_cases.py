"""The benchmark's command: what it leaves out, and its exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks import cases
from tests.benchmarks.running import Outcome

HEADER = "# expect: reproducible\n"


def run_on(monkeypatch: pytest.MonkeyPatch, folder: Path, said: str, *options: str) -> int:
    outcome = Outcome(0, json.dumps({"verdict": said, "findings": [], "extra_runs": 0}), "", 1.0)
    monkeypatch.setattr(cases, "run_command", lambda _command: outcome)
    monkeypatch.setattr(sys, "argv", ["cases", str(folder), *options])
    return cases.main()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "easy.py").write_text(HEADER)
    (tmp_path / "hard.py").write_text(HEADER + "# requires: a-package-that-nobody-has pytest\n")
    return tmp_path


def test_the_status_is_zero_only_if_every_answer_is_right(monkeypatch, folder):
    assert run_on(monkeypatch, folder, "reproducible") == 0
    assert run_on(monkeypatch, folder, "unverified") == 1


def test_a_program_whose_packages_are_missing_is_left_out_and_named(monkeypatch, folder, capsys):
    assert run_on(monkeypatch, folder, "reproducible", "--markdown") == 0
    printed = capsys.readouterr()
    assert printed.err == "left out: hard needs a-package-that-nobody-has\n"
    assert "| all | 1 | 1 / 1 | 0 / 1 |" in printed.out
    assert run_on(monkeypatch, folder, "reproducible", "--only", "hard") == 2


def test_an_answer_that_is_no_json_is_no_answer():
    refused = Outcome(2, "", "detaudit: no such thing", 1.0)
    assert cases._result(refused)[0]["verdict"] == "unverified"
    crashed = Outcome(2, "", "this is a bug in detaudit\nKeyError: 'a'", 1.0)
    assert cases._result(crashed) == ({"verdict": "no answer", "findings": []}, "status 2: KeyError: 'a'")
