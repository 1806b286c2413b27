"""A program that a guardian starts is the same program, and leaves nothing behind."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest

from detaudit.errors import RunError
from detaudit.run.guard import ask, start
from tests.families import PROGRAM, Family, is_alive

CIRCUMSTANCES = """
import json, os, resource, signal, sys
print(json.dumps({
    "arguments": sys.argv,
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "files": sorted(os.listdir("/proc/self/fd")),
    "input": os.readlink("/proc/self/fd/0"),
    "leads": [os.getpid() == os.getpgid(0), os.getpid() == os.getsid(0)],
    "signals": [line for line in open("/proc/self/status") if line.startswith("Sig")],
    "handlers": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
    "mask": os.umask(0),
    "limits": [resource.getrlimit(one) for one in range(10)],
    "nice": os.nice(0),
}))
"""


def running(command, **options):
    options = {"folder": None, "environment": os.environ, "stdout": None, "stderr": None, **options}
    return start(command, **options)


def test_a_guarded_program_finds_what_a_plain_one_does(tmp_path):
    """Arguments, environment, folder, open files, signals, limits: all as without a guardian."""
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PYTHONHASHSEED": "1",
        "ODD": "a\udcffb\n",
        "LARGE": "x" * 100_000,
    }
    command = [sys.executable, "-c", CIRCUMSTANCES, "ä", ""]
    plain = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        start_new_session=True, check=True,
    )  # fmt: skip
    with (tmp_path / "out").open("wb") as out:
        program = running(command, folder=tmp_path, environment=environment, stdout=out)
        program.wait()
        program.end()
    assert json.loads((tmp_path / "out").read_bytes()) == json.loads(plain.stdout)


@pytest.mark.parametrize("code", [0, 1, 2, 77, 255])
def test_the_exit_status_passes_through(code):
    assert ask([sys.executable, "-S", "-c", f"raise SystemExit({code})"], seconds=None).code == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_ends_the_program_passes_through(number):
    assert ask(["sh", "-c", f"kill -{number.value} $$"], seconds=None).code == -number


def test_what_cannot_be_started_is_told():
    with pytest.raises(RunError) as caught:
        ask(["/nowhere/to/be/found"], seconds=None)
    assert caught.value.slug == "run-not-started"
    assert "No such file" in caught.value.message


def test_a_program_that_goes_on_is_ended_when_its_time_is_up():
    before = time.monotonic()
    ended = ask([sys.executable, "-S", "-c", "import time; print(1, flush=True); time.sleep(60)"], seconds=1)
    assert (ended.timed_out, ended.stdout, ended.code) == (True, b"1\n", -signal.SIGTERM)
    assert time.monotonic() - before < 10


def test_a_program_that_ends_leaves_none_of_its_own_behind(tmp_path):
    """Also what has left its session: it would go on between the runs that are compared."""
    family = Family(tmp_path)
    source = PROGRAM.replace("family.live()", "import os; os._exit(4)")
    command = [sys.executable, "-c", source]
    # The control: what is started so stays, unless somebody ends it.
    subprocess.run(command, env=family.environment, start_new_session=True, check=False)
    try:
        _wait_for(lambda: len(family.alive()) == 4)
        time.sleep(1)
        assert len(family.alive()) == 4
    finally:
        family.end()
    program = running([sys.executable, "-c", source], environment=family.environment)
    program.wait()
    program.end()
    assert program.returncode == 4
    assert family.alive() == []


def test_the_program_outlives_the_thread_that_started_it():
    """Runs are started by the threads of a pool; a parent death signal would go by the thread."""
    programs = []
    sleeps = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    thread = threading.Thread(target=lambda: programs.append(running(sleeps)))
    thread.start()
    thread.join()
    assert not programs[0].wait(0.5)
    programs[0].end()
    assert programs[0].returncode == -signal.SIGTERM


def test_a_guardian_that_is_killed_takes_the_program_with_it(tmp_path):
    """The answer is that the run was ended by that signal, and nothing is left."""
    path = tmp_path / "pids"
    program = running(["sh", "-c", f"echo $PPID $$ > {shlex.quote(str(path))}; sleep 60"])
    _wait_for(lambda: path.exists() and len(path.read_text().split()) == 2)
    guardian, own = map(int, path.read_text().split())
    os.kill(guardian, signal.SIGKILL)
    assert program.wait(5)
    assert program.returncode == -signal.SIGKILL
    _wait_for(lambda: not is_alive(own))
    program.end()


def _wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
