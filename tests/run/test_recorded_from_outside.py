"""`DETAUDIT_RECORD=folder` in the environment of any command: traces there, and nothing else changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path

import pytest

from detaudit.compare.compare import compare
from detaudit.trace.reader import TraceReader
from tests.environments import environment
from tests.ranks.launched import GLOO

TRAIN = """
    import atexit, os, sys
    import torch
    from torch.utils.data import DataLoader
    if __name__ == "__main__":
        torch.manual_seed(int(os.environ.get("SEED", 0)))
        net = torch.nn.Linear(3, 1)
        for batch in DataLoader(torch.ones(8, 3), batch_size=4, num_workers=1):
            net(batch).pow(2).mean().backward()
            with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
        print("trained")
        end = sys.argv[1:]
        if end == ["exit"]: sys.exit(3)
        if end == ["leave"]: sys.stdout.flush(); os._exit(4)
        if end == ["raise"]: raise ValueError("no")
        if end == ["kill"]: sys.stdout.flush(); os.kill(os.getpid(), 9)
"""
RANKS = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "ddp.py")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that has detaudit installed."""
    return environment(tmp_path_factory.mktemp("environment") / "e")


@pytest.fixture
def run(python, tmp_path):
    """Run a command of that Python, recorded into `folder`; nothing local may be left behind."""
    for name, source in {"train.py": TRAIN, "ddp.py": GLOO}.items():
        (tmp_path / name).write_text(textwrap.dedent(source))
    # A short name: loader workers make sockets there.
    local = Path(tempfile.mkdtemp(prefix="local"))

    def command(*arguments, folder="traces", **variables):
        environ = {**os.environ, "TMPDIR": str(local), **variables}
        if folder is not None:
            environ["DETAUDIT_RECORD"] = str(folder)
        done = subprocess.run(
            [python, *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert list(local.glob("detaudit-*")) == []
        return done

    yield command
    shutil.rmtree(local)


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_program_is_recorded_with_its_loader_workers_and_ends_as_it_would(run, tmp_path):
    plain, recorded = run("train.py", folder=None), run("train.py")
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (0, plain.stdout, plain.stderr)
    assert names(tmp_path / "traces") == ["main.trace"]
    with TraceReader(tmp_path / "traces" / "main.trace") as trace:
        assert [stream.label for stream in trace.streams] == ["main", "loader worker 0"]
        assert (trace.info.target, trace.info.finished, trace.info.exit_code) == ("train.py", True, 0)
        assert trace.steps_completed(1) == 2


def test_two_launches_are_compared_and_one_with_another_seed_is_told_apart(run, tmp_path):
    run("train.py", folder="a")
    run("train.py", folder="b")
    run("train.py", folder="c", SEED="1")
    first, same, other = (TraceReader(tmp_path / name / "main.trace") for name in "abc")
    with first, same, other:
        assert compare(first, same).equal
        assert not compare(first, other).equal


@pytest.mark.parametrize(("end", "code"), [("exit", 3), ("leave", 4), ("raise", 1)])
def test_a_program_that_fails_fails_as_it_would_and_its_trace_says_so(run, tmp_path, end, code):
    plain, recorded = run("train.py", end, folder=None), run("train.py", end)
    assert (recorded.returncode, recorded.stdout, recorded.stderr) == (code, "trained\n", plain.stderr)
    with TraceReader(tmp_path / "traces" / "main.trace") as trace:
        assert (trace.info.finished, trace.info.exit_code) == (True, code)


@pytest.mark.parametrize("program", ["print(1)", "import torch; print(torch.ones(1))"])
def test_a_program_that_trains_nothing_leaves_nothing(run, tmp_path, program):
    done = run("-c", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "traces") == []


def test_a_folder_that_cannot_be_written_is_one_line_and_the_program_goes_on(run, tmp_path):
    (tmp_path / "file").touch()
    done = run("train.py", folder="file")
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr == "detaudit: not recorded: file cannot be used: File exists\n"


def test_a_level_that_does_not_exist_is_one_line_and_the_program_goes_on(run, tmp_path):
    done = run("train.py", DETAUDIT_LEVEL="module")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (0, "trained\n", 1)
    assert "DETAUDIT_LEVEL: 'module' is not possible" in done.stderr
    assert names(tmp_path / "traces") == []


def test_a_second_launch_into_a_folder_is_not_mixed_with_the_first(run, tmp_path):
    run("train.py")
    before = (tmp_path / "traces" / "main.trace").read_bytes()
    done = run("train.py")
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert done.stderr.startswith("detaudit: not recorded: traces has traces of an earlier launch;")
    assert (tmp_path / "traces" / "main.trace").read_bytes() == before


def test_detaudits_own_command_is_not_recorded(run, tmp_path):
    done = run("-m", "detaudit", "diff", "none", "none")
    assert "[trace-missing]" in done.stderr
    assert names(tmp_path / "traces") == []


def test_where_detaudit_is_not_installed_the_variable_does_nothing(tmp_path, run):
    bare = environment(tmp_path / "bare", installed=False)
    done = subprocess.run(
        [bare, "train.py"],
        cwd=tmp_path,
        env={**os.environ, "DETAUDIT_RECORD": "traces"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, names(tmp_path / "traces")) == ("trained\n", [])
    assert run("train.py").returncode == 0
    assert names(tmp_path / "traces") == ["main.trace"]


@pytest.mark.slow
def test_each_rank_that_torchrun_starts_leaves_a_trace_of_its_own(run, tmp_path):
    done = run(*RANKS)
    # The ranks share one output, where their words may meet.
    assert (done.returncode, done.stdout.count("trained")) == (0, 2)
    assert names(tmp_path / "traces") == ["rank-00000.trace", "rank-00001.trace"]
    for number in (0, 1):
        with TraceReader(tmp_path / "traces" / f"rank-0000{number}.trace") as trace:
            assert [(rank.number, rank.world) for rank in trace.info.ranks] == [(number, 2)]
            assert [stream.label for stream in trace.streams] == [f"rank {number}"]
            assert trace.info.finished


@pytest.mark.slow
def test_a_rank_that_is_killed_leaves_its_complete_steps_and_is_not_said_to_have_ended(run, tmp_path):
    done = run(*RANKS, "--kill", "1")
    assert done.returncode == 1
    with TraceReader(tmp_path / "traces" / "rank-00001.trace") as trace:
        assert not trace.info.finished
        assert trace.steps_completed(1) == 2
