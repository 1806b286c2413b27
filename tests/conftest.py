"""Fixtures that run programs as an audit does."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from detaudit.model.plan import RunPlan, TargetRef
from detaudit.model.trace import Level
from detaudit.run.progress import Silence
from detaudit.run.runner import execute
from detaudit.target.find import find_target
from detaudit.trace.reader import TraceReader

# Tests run side by side: OpenMP threads that spin while they wait would take each other's cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

pytest_plugins = ["pytester"]

ZOO = Path(__file__).parent / "zoo"


@pytest.fixture
def run_program(tmp_path, monkeypatch):
    """Run a program (its source, or a path) in a fresh process and return what became of it."""
    monkeypatch.chdir(tmp_path)

    def run(program, level="layer", args=(), **plan):
        path = program
        if not isinstance(program, Path):
            path = tmp_path / "program.py"
            path.write_text(textwrap.dedent(program))
        target = find_target(TargetRef(str(path), args=tuple(args)))
        folder = tmp_path / f"runs{len(list(tmp_path.glob('runs*')))}"
        return execute(RunPlan(target, 1, Level(level), 0, **plan), folder, Silence())[0]

    return run


@pytest.fixture
def record(run_program):
    """Run a program that must end well, and open its trace."""
    readers = []

    def recorded(program, level="layer", **options):
        outcome = run_program(program, level, **options)
        assert outcome.exit_code == 0, outcome.stderr.read_text()
        assert outcome.trace is not None, outcome.stdout.read_text()
        readers.append(TraceReader(outcome.trace))
        return readers[-1]

    yield recorded
    for reader in readers:
        reader.close()
