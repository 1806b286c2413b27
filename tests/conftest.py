"""Fixtures that run programs as an audit does."""

from __future__ import annotations

import functools
import os
import runpy
import textwrap
from pathlib import Path

import pytest

from detaudit.compare.compare import compare
from detaudit.compare.result import diff_result
from detaudit.model.plan import RunPlan, Target, TargetKind, TargetRef
from detaudit.model.trace import Level
from detaudit.run.progress import Silence
from detaudit.run.runs import execute
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader
from tests.forked import STARTS_RUNS, Origin

# Tests run side by side: OpenMP threads that spin while they wait would take each other's cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

pytest_plugins = ["pytester"]

ZOO = Path(__file__).parent / "zoo"


@pytest.fixture(scope="session")
def origin():
    """The process that has torch loaded, from which runs are forked."""
    process = Origin()
    yield process
    process.end()


@pytest.fixture
def forked(origin, monkeypatch):
    """Fork the runs of a test from a process that has torch loaded."""
    monkeypatch.setattr(STARTS_RUNS, origin.in_place_of_subprocess())


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


@pytest.fixture(scope="module")
def record_here(tmp_path_factory):
    """Call a function, or run a program as a script, under a recorder in this process, and open its trace."""
    import torch

    from detaudit.diagnose.same_process import call_recorded

    readers = []

    def recorded(called, level="layer", steps=None):
        function = called
        if isinstance(called, Path):
            function = functools.partial(runpy.run_path, str(called), run_name="__main__")
        plan = RunPlan(Target(TargetKind.TEST, "a test"), 1, Level(level), 0, steps)
        trace = call_recorded(function, plan, tmp_path_factory.mktemp("recorded"))
        assert trace is not None
        readers.append(TraceReader(trace))
        assert readers[-1].info.problems == ()
        return readers[-1]

    # Programs that race ask for more threads than others should have.
    threads = torch.get_num_threads()
    yield recorded
    torch.set_num_threads(threads)
    for reader in readers:
        reader.close()


@pytest.fixture
def audit_here(record_here):
    """Run a program twice in this process, which takes no time to start, and say whether the runs differ.

    For programs whose runs are not told apart by what a process starts with: its addresses, its hash seed.
    """

    def audited(program, steps=None):
        first, second = (record_here(program, steps=steps) for _ in range(2))
        return diff_result(first, second, compare(first, second))

    return audited
