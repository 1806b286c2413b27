"""Fixtures for the tests of the command line."""

from __future__ import annotations

import pytest

from detaudit.cli.main import main
from tests.traces import TraceBuilder, training_step


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in a folder that has no configuration, with no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DETAUDIT_DEBUG", raising=False)


@pytest.fixture
def command(capsys):
    """Call the command line in this process; gives exit code, standard output and standard error."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def traces(tmp_path):
    """Traces: `a` and `same` agree, `other` differs."""
    for name, changes in (("a", {}), ("same", {}), ("other", {"conv": "x", "weight": "x"})):
        run = TraceBuilder(tmp_path / f"{name}.trace")
        for step in range(3):
            run.step(*training_step(step, **(changes if step else {})))
        run.close()
    return tmp_path
