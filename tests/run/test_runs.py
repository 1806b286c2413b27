"""Runs are ended when they must be, leave nothing behind, and fail with a message."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detaudit.cli.main import main
from detaudit.compare.result import summarize_run
from detaudit.run.launch import steps_so_far
from detaudit.trace.reader import TraceReader
from tests.traces import TraceBuilder, module, training_step

HANGS = Path(__file__).parent.parent / "zoo" / "hangs.py"

# No optimizer: importing what torch.optim needs would double the time of each process.
STEPS = """
    import sys, torch
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    for step in range(6):
        loss = net(torch.randn(4, 3)).pow(2).mean()
        net.zero_grad(); loss.backward()
        with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
        {inside}
    print("done")
"""


def test_steps_end_the_program_as_sys_exit_would(run_program):
    """`--steps` ends the program after that many steps, with its finally blocks and exit handlers."""
    source = STEPS.format(inside="optimizer.step()").replace("\n    ", "\n")
    optimizer = "optimizer = torch.optim.SGD(net.parameters(), lr=0.1)\nfor step"
    outcome = run_program(
        "import atexit\natexit.register(print, 'bye')\n" + source.replace("for step", optimizer), steps=2
    )

    assert outcome.exit_code == 0
    assert outcome.stdout.read_text() == "bye\n"


def test_a_traceback_is_the_users_own(run_program):
    """An exception shows the user's frames and torch's, and none of detaudit's."""
    outcome = run_program(STEPS.format(inside="net(torch.randn(4, 5)) if step == 2 else None"))
    shown = outcome.stderr.read_text()

    assert outcome.exit_code == 1
    assert "net(torch.randn(4, 5))" in shown
    assert "mat1 and mat2 shapes cannot be multiplied" in shown
    assert "detaudit/record" not in shown


@pytest.mark.parametrize(
    ("ending", "code", "steps"),
    [("sys.exit(7)", 7, 2), ("__import__('os')._exit(9)", 9, 2), ("__import__('os').abort()", -6, 1)],
)
def test_however_it_ends_the_steps_are_there(run_program, ending, code, steps):
    """sys.exit, os._exit and a fatal signal keep their exit status, and the trace its complete steps."""
    outcome = run_program(STEPS.format(inside=f"{ending} if step == 1 else None"))
    assert outcome.exit_code == code
    with TraceReader(outcome.trace) as reader:
        assert reader.steps_completed(1) == steps
        assert reader.info.finished == (code > 0)


def test_settings_made_before_torch_is_imported_hold(run_program):
    """A script that sets OMP_NUM_THREADS before it imports torch gets what it asked for."""
    head = "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport sys\nassert 'torch' not in sys.modules\n"
    outcome = run_program(
        head + STEPS.format(inside="").replace("\n    ", "\n") + "print(torch.get_num_threads())\n"
    )

    assert outcome.stdout.read_text().splitlines() == ["done", "1"]


WAITING = (
    "import os\nprint(*sorted(name for name in os.environ if name.startswith(('GOMP', 'KMP', 'OMP'))))\n"
)


def test_threads_of_runs_side_by_side_do_not_keep_cores_busy_by_waiting(run_program, monkeypatch):
    """Side by side, OpenMP's waits are short; a run alone, or with the user's own choice, is left alone."""
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    assert run_program(WAITING).stdout.read_text().split() == []
    assert run_program(WAITING, jobs=2).stdout.read_text().split() == ["GOMP_SPINCOUNT", "KMP_BLOCKTIME"]
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert run_program(WAITING, jobs=2).stdout.read_text().split() == ["OMP_WAIT_POLICY"]


def test_modules_of_the_script_shadow_as_ever(run_program, tmp_path):
    """A file beside the script with the name of a standard module is the script's own, as under python."""
    (tmp_path / "queue.py").write_text("from _queue import *\nOWN = True\nclass Queue: ...\n")
    (tmp_path / "sqlite3.py").write_text("OWN = True\n")
    outcome = run_program("import sqlite3\nprint(sqlite3.OWN)\n")

    assert outcome.stdout.read_text() == "True\n"


def test_the_users_sitecustomize_still_runs(run_program, tmp_path, monkeypatch):
    """A sitecustomize on the user's PYTHONPATH is run as it would be without detaudit."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys\nsys.mine = 42\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    outcome = run_program(
        "import sys\nprint(sys.mine, [p for p in sys.path if 'detaudit' in p and 'run' in p])\n"
    )

    assert outcome.stdout.read_text() == "42 []\n"


def test_a_full_disk_is_unverified_and_the_training_goes_on(tmp_path):
    """When the trace cannot grow, the program ends as ever and the answer is unverified, with the reason."""
    script = tmp_path / "long.py"
    script.write_text(STEPS.format(inside="").replace("\n    ", "\n").replace("range(6)", "range(1000)"))
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "sys.argv[:] = ['detaudit', 'check', 'long.py', '--level', 'layer']; "
        "runpy.run_module('detaudit', run_name='__main__')"
    )
    command = [sys.executable, "-c", limited]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 2
    assert "not be written" in " ".join(done.stdout.split()) + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_program_that_removes_its_traces_folder_is_told(run_program):
    """A program that deletes the folder in which it is recorded gives an error that says so."""
    from detaudit.errors import RunError

    session = "__import__('os').environ['DETAUDIT_SESSION']"
    inside = f"__import__('shutil').rmtree(__import__('os').path.dirname({session}))"
    with pytest.raises(RunError) as caught:
        run_program(STEPS.format(inside=inside + " if step == 1 else None"))
    assert caught.value.slug == "trace-gone"


def test_a_damaged_trace_is_an_error_not_a_verdict(tmp_path, monkeypatch, capsys):
    """A program that writes into its own trace gets exit 2 and a message."""
    monkeypatch.chdir(tmp_path)
    # Registered before torch is imported, so run after the trace is closed.
    vandal = """
import atexit, os
path = os.path.join(os.path.dirname(os.environ["DETAUDIT_SESSION"]), "main.trace")
atexit.register(lambda: open(path, "r+b").write(b"x" * 4096))
"""
    Path("vandal.py").write_text(vandal + STEPS.format(inside="").replace("\n    ", "\n"))

    assert main(["check", "vandal.py"]) == 2
    output = capsys.readouterr()
    assert "Traceback" not in output.out + output.err


@pytest.mark.parametrize("keep", ["/dev/null/folder", "full"])
def test_a_folder_that_cannot_be_used_is_refused(tmp_path, monkeypatch, keep, capsys):
    """`--keep` with a folder that cannot be made, or is not empty, is an error before anything is run."""
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/file").write_text("mine")

    assert main(["check", str(HANGS), "--keep", keep]) == 2
    assert "hint" in capsys.readouterr().err
    assert Path("full/file").read_text() == "mine"


def test_kept_runs_can_be_compared_later(tmp_path, monkeypatch):
    """`--keep` leaves traces that `diff` reads, and the output of each run."""
    monkeypatch.chdir(tmp_path)
    Path("program.py").write_text(STEPS.format(inside="").replace("\n    ", "\n"))
    assert main(["check", "program.py", "--keep", "kept", "--jobs", "2"]) == 0

    traces = sorted(Path("kept").glob("*/main.trace"))
    assert main(["diff", *map(str, traces)]) == 0
    assert [path.read_text() for path in sorted(Path("kept").glob("*/stdout.txt"))] == ["done\n"] * 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupting_leaves_nothing_behind(tmp_path, number, code):
    """Ctrl-C or SIGTERM ends the runs under way, removes their folder and gives its exit code."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "detaudit", "check", str(HANGS)], env=environment, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("detaudit-*/*/main.trace")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    process.communicate(timeout=30)

    assert process.returncode == code
    assert list(tmp_path.glob("detaudit-*")) == []
    assert str(HANGS) not in _command_lines()


def _command_lines():
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return " ".join(lines)


@pytest.mark.parametrize("evaluated", [True, False])
def test_progress_counts_the_steps_that_the_report_counts(tmp_path, evaluated):
    """What comes after the last step, an evaluation say, is no step more."""
    run = TraceBuilder(tmp_path / "run.trace")
    for step in range(3):
        run.step(*training_step(step))
    if evaluated:
        run.step(module("", "x", "y", "eval"), complete=False)
    run.close()
    with TraceReader(tmp_path / "run.trace") as reader:
        assert steps_so_far(tmp_path / "run.trace") == summarize_run("1", reader).steps == 3
