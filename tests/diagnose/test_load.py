"""How many runs go side by side: as many as the machine carries, and one where runs could meet in a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from detaudit.diagnose import budget
from detaudit.diagnose.budget import Load, measured, wrote_files


@pytest.fixture
def machine(monkeypatch):
    def make(cores, memory=32 << 30):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(cores)), raising=False)
        monkeypatch.setattr(budget, "_free_memory", lambda: memory)

    return make


@pytest.mark.parametrize(
    ("cores", "busy", "expected"), [(2, 1.0, 3), (2, 1.9, 1), (8, 1.0, 8), (8, 4.0, 3), (1, 1.0, 1)]
)
def test_runs_share_the_cores_that_one_run_leaves_idle(machine, cores, busy, expected):
    machine(cores)
    assert Load(busy, 1 << 20, 4.0).side_by_side() == expected


def test_runs_that_need_much_memory_go_one_by_one(machine):
    machine(8, memory=4 << 30)
    assert Load(1.0, 3 << 30, 4.0).side_by_side() == 1
    assert Load(1.0, 1 << 30, 4.0).side_by_side() == 2


def test_what_a_program_asks_of_the_machine_is_measured():
    busy = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"

    def work():
        return subprocess.run([sys.executable, "-S", "-c", busy], check=True).returncode

    result, load = measured(work)
    assert result == 0
    assert load.memory > 1 << 20
    assert load.cores * load.seconds >= 0.25


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    return tmp_path


@pytest.mark.parametrize(
    "name", ["work/out.pt", "work/runs/1/log.csv", "temporary/cache.bin", "scripts/x.npy"]
)
def test_a_file_that_was_written_is_seen(folder, name):
    (folder / "scripts").mkdir()
    since = time.time() - 5
    assert not wrote_files(folder / "scripts" / "train.py", since, folder / "own")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("x")
    assert wrote_files(folder / "scripts" / "train.py", since, folder / "own")


def test_old_files_compiled_python_and_the_audit_itself_do_not_count(folder):
    old = folder / "work" / "data.csv"
    old.write_text("x")
    os.utime(old, (1, 1))
    for name in ("work/__pycache__/a.pyc", "temporary/detaudit-1/main.trace"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("x")
    assert not wrote_files(None, time.time() - 5, folder / "temporary" / "detaudit-1")
