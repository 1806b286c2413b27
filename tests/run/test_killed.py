"""Whatever ends an audit, all that it has started ends with it, within five seconds."""

import shlex
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.families import PROGRAM, Family
from tests.reference import repositories
from tests.reference.pretended import target

ROOT = Path(__file__).parent.parent.parent
SECONDS = 5

MODEL_FILE = """
import family

def make_model():
    family.start()
    family.live()

def make_batches():
    return []
"""

TRAINS = """
import pathlib
import torch

if __name__ == "__main__":
    runs = pathlib.Path("runs.txt")
    with runs.open("a") as file:
        file.write("run\\n")
    if len(runs.read_text().split()) > 2:
        import family

        family.start()
        family.live()
model = torch.nn.Linear(2, 1)
model(torch.ones(1, 2)).sum().backward()
with torch.no_grad():
    [one.sub_(one.grad) for one in model.parameters()]
model(torch.ones(1, 2))
"""
"""Two runs of it differ; the third is one of those that look for the cause."""

MARKED = """
import os
import pytest

@pytest.mark.reproducible
def test_it():
    if "DETAUDIT_WITHIN" in os.environ:
        import family

        family.start()
        family.live()
"""

LOCKED = """
import family

def live():
    family.start()
    family.live()

def test_it(detaudit):
    detaudit.assert_matches_lock(live)
"""

REPLAYS = """
from pathlib import Path
from detaudit.diagnose import call_alone

call_alone._START = "import family; family.start(); family.live()"
call_alone.ask(Path("call.pt"), 1, "captured")
"""

CALLS = """
import detaudit
import family

def train():
    family.start()
    family.live()

if __name__ == "__main__":
    detaudit.check(train)
"""


@pytest.fixture
def family(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    members = Family(tmp_path)
    yield members
    members.end()


@contextmanager
def started(family, command):
    """A process that starts the family."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen(
        [sys.executable, *shlex.split(command)],
        # Where CI is set, no lock is made.
        env={**family.environment, "PYTHONPATH": f"{family.environment['PYTHONPATH']}:{ROOT}", "CI": ""},
        **quiet,
    )
    try:
        family.wait_until_complete()
        yield process
    finally:
        process.kill()
        process.wait()


def left_after(family, command, number=signal.SIGKILL):
    """What is left of the family when the audit has been ended by a signal."""
    with started(family, command) as audit:
        audit.send_signal(number)
        audit.wait()
        return family.left_after(SECONDS)


PHASES = {
    "check": (PROGRAM, "-m detaudit check program.py"),
    "jobs": (PROGRAM, "-m detaudit check program.py --jobs 2 --timeout 100"),
    "record": (PROGRAM, "-m detaudit record program.py -o run.trace"),
    "lock": (PROGRAM, "-m detaudit lock program.py"),
    "batch": (MODEL_FILE, "-m detaudit check program.py --vary batch=1,2"),
    "replay": (REPLAYS, "program.py"),
    "call": (CALLS, "program.py"),
    "marker": (MARKED, "-m pytest program.py"),
    "fixture": (LOCKED, "-m pytest program.py"),
}
"""What an audit may be at when it is killed."""

QUICK = ("check", "record", "lock", "replay", "fixture")
"""Those that need not load torch."""


@pytest.mark.parametrize(
    "phase", [*QUICK, *(pytest.param(one, marks=pytest.mark.slow) for one in PHASES if one not in QUICK)]
)
def test_nothing_is_left_of_an_audit_that_is_killed(family, tmp_path, phase):
    """Spawned, forked, daemonised, with an empty environment: all of them end."""
    source, command = PHASES[phase]
    (tmp_path / "program.py").write_text(source)
    assert left_after(family, command) == []


@pytest.mark.slow
def test_nothing_is_left_of_a_search_for_a_cause_that_is_killed(family, tmp_path):
    (tmp_path / "program.py").write_text(TRAINS)
    assert left_after(family, "-m detaudit check program.py") == []


def test_nothing_is_left_of_a_search_for_a_commit_that_is_killed(family, tmp_path, monkeypatch):
    """There, git starts what starts the runs."""
    for name, value in repositories.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
        family.environment[name] = value
    repository = repositories.make(tmp_path / "project")
    monkeypatch.chdir(repository.root)
    for number, text in enumerate((target(), PROGRAM, target(noise=True))):
        repository.commit(str(number), {"train.py": f"{text}# {number}\n"})
    pretended = tmp_path / "pretended.py"
    pretended.write_text(
        textwrap.dedent("""
        from detaudit.cli.main import main_exit
        from detaudit.run import runs
        from tests.reference.pretended import Pretended
        runs.execute = Pretended()
        main_exit()
        """)
    )
    assert left_after(family, f"{pretended} bisect train.py --good main~2 --bad main --runs 2") == []


@pytest.mark.slow
def test_nothing_is_left_of_a_script_that_is_terminated_while_it_audits(family, tmp_path):
    """SIGTERM ends a Python that has no handler for it at once, as `timeout` does."""
    (tmp_path / "program.py").write_text(CALLS)
    assert left_after(family, "program.py", signal.SIGTERM) == []


def test_a_fork_of_the_audit_does_not_keep_what_it_started(family, tmp_path):
    """A process that was forked from the audit's holds all that is open in that."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "forks.py").write_text(
        "import os, subprocess, sys, time\n"
        "from detaudit.run.guard import start\n"
        "command = [sys.executable, 'program.py']\n"
        "start(command, folder=None, environment=os.environ, stdout=None, stderr=None)\n"
        "if not os.fork():\n"
        "    time.sleep(10)\n"
        "    os._exit(0)\n"
        "time.sleep(100)\n"
    )
    assert left_after(family, "forks.py") == []


def test_without_a_guardian_they_would_be_left(family, tmp_path):
    """The same family, started as any program starts another: only its parent is gone."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "plain.py").write_text(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, 'program.py'], start_new_session=True).wait()\n"
    )
    with started(family, "plain.py") as audit:
        audit.kill()
        audit.wait()
        assert len(family.left_after(1)) == len(family.pids())


def test_a_time_limit_reaches_all_of_a_run(family, tmp_path, monkeypatch, capsys):
    """`--timeout` ends what has left the program's session, too."""
    from detaudit.cli.main import main

    for name in ("MEMBERS", "PYTHONPATH"):
        monkeypatch.setenv(name, family.environment[name])
    (tmp_path / "program.py").write_text(PROGRAM)
    assert main(["check", "program.py", "--timeout", "3"]) == 2
    assert "--timeout" in " ".join(capsys.readouterr().out.split())
    assert family.pids()
    assert family.alive() == []
