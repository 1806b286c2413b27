"""An audit that a run of an audit asks for is not started; the answers are those that the writer meant."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detaudit import nested
from detaudit.cli.main import main
from detaudit.errors import UsageError
from detaudit.model.plan import RunPlan, Target, TargetKind
from detaudit.model.result import AuditResult, TargetSummary, Verdict
from detaudit.model.trace import Level
from detaudit.run.launch import launched

TRAINING = """
import os
import random
import torch
import detaudit

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "loads.txt"), "a") as file:
    file.write("load\\n")

def train(scale=1.0):
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    for _ in range(2):
        model(torch.ones(1, 2) * scale).sum().backward()
        with torch.no_grad():
            [one.sub_(one.grad) for one in model.parameters()]
    model(torch.ones(1, 2))

"""
WITHOUT_GUARD = TRAINING + "print(detaudit.check(train).verdict)\n"
LIMIT = 120


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write the program of a test; everything happens in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def write(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        return path

    return write


def run(*arguments, **options):
    """Run Python on something, which must not go on without end."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT, **options)


def loads():
    return len(Path("loads.txt").read_text().split())


def checked(path, capsys, *arguments):
    """The answer about a program, as JSON."""
    code = main(["check", str(path), "--json", "-", *arguments])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "elsewhere", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["its own folder", "another folder"]
)
def test_a_script_without_a_guard_gets_the_answer_of_its_function(program, tmp_path, elsewhere):
    """The script is loaded once by the user and once by each run."""
    path = program(WITHOUT_GUARD)
    folder = tmp_path / "elsewhere" if elsewhere else tmp_path
    folder.mkdir(exist_ok=True)
    done = run(path if elsewhere else path.name, cwd=folder)
    assert (done.returncode, done.stdout) == (0, "reproducible\n"), done.stderr
    assert loads() == 3


@pytest.mark.slow
def test_a_script_without_a_guard_whose_training_differs_is_told_so(program):
    differs = "result = detaudit.check(train, level='layer')\nprint(result.verdict, len(result.findings))\n"
    done = run(program(TRAINING.replace("torch.manual_seed(0)", "torch.seed()") + differs))
    assert (done.returncode, done.stdout) == (0, "not-reproducible 1\n"), done.stderr


@pytest.mark.slow
def test_a_run_loads_a_file_as_far_as_the_call_that_asks_for_it(program):
    """Earlier calls get the answers that they got, so that what follows them goes the same way."""
    asks = """
assert detaudit.check(train).reproducible
for scale in (2.0, 3.0):
    assert detaudit.check(train, scale).reproducible
LATE = 4.0
def other():
    train(LATE)
assert detaudit.check(other).reproducible
with open("loads.txt", "a") as file:
    file.write("end")
"""
    done = run(program(TRAINING + asks))
    assert done.returncode == 0, done.stderr
    text = Path("loads.txt").read_text()
    assert (text.count("load"), text.count("end")) == (1 + 4 * 2, 1)


@pytest.mark.usefixtures("forked")
def test_a_function_of_a_file_that_asks_for_its_audit_can_be_audited(program, capsys):
    path = program(TRAINING + "assert detaudit.check(train).reproducible\n")
    code, answer = checked(f"{path}:train", capsys)
    assert (code, answer["verdict"]) == (0, "reproducible")


def test_calls_before_the_one_that_is_meant_are_given_their_answers(tmp_path, monkeypatch):
    """A call of another function, of which nothing is known, is told that nothing was started."""
    monkeypatch.setenv(nested.VARIABLE, str(tmp_path))
    monkeypatch.setattr(nested, "_GIVEN", {})
    ours, other = (nested.__name__, "within"), (nested.__name__, "refuse")
    known = AuditResult(Verdict.REPRODUCIBLE, None, TargetSummary("callable", "it"), (), None, ())
    for function in (ours, ours, other):
        nested.remember(function, known)
    with nested.loading(ours, nested.given()):
        for function in (nested.within, nested.refuse, nested.within):
            assert nested.answer(function, at="it.py:1") == known
        assert nested.asked_in(tmp_path) == ()
        assert nested.answer(nested.refuse, at="it.py:2").verdict is Verdict.UNVERIFIED
        assert nested.asked_in(tmp_path) == ("detaudit.check(refuse) at it.py:2",)
        with pytest.raises(nested.Reached):
            nested.answer(nested.within, at="it.py:3")
    assert nested.answer(nested.within, at="it.py:4").verdict is Verdict.UNVERIFIED


@pytest.mark.slow
def test_a_package_that_asks_for_the_audit_of_its_function_is_loaded_all_the_same(program, tmp_path):
    """An import that is broken off leaves no module; the run has it nevertheless."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(WITHOUT_GUARD)
    Path("package/loads.txt").touch()
    done = run(program("import package\nassert package.train\n"))
    assert (done.returncode, done.stdout) == (0, "reproducible\n"), done.stderr
    assert len(Path("package/loads.txt").read_text().split()) == 3


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("guard", ["", 'if __name__ == "__main__": '])
def test_an_audited_script_that_asks_for_an_audit_is_told_what_to_do(program, capsys, guard):
    code, answer = checked(program(f"{TRAINING}{guard}print(detaudit.check(train).verdict)\n"), capsys)
    assert (code, answer["verdict"]) == (2, "unverified")
    assert "asks for an audit itself (detaudit.check(train) at " in answer["reason"]
    assert "audit the training function itself" in answer["reason"]


@pytest.mark.usefixtures("forked")
def test_an_audited_script_that_fails_for_want_of_an_answer_is_told_why(program, capsys):
    code, answer = checked(program(TRAINING + "assert detaudit.check(train).reproducible\n"), capsys)
    assert (code, answer["verdict"]) == (2, "unverified")
    assert "ended with exit status 1" in answer["reason"]
    assert "asks for an audit itself (detaudit.check(train) at " in answer["reason"]


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("asks", [True, False])
def test_an_audited_script_that_also_trains_is_judged_by_that(program, capsys, asks):
    """A notice says what was not started; without such a call there is none."""
    ending = "print(detaudit.check(train).verdict)\n" if asks else ""
    code, answer = checked(program(f"{TRAINING}train()\n{ending}"), capsys)
    assert (code, answer["verdict"]) == (0, "reproducible")
    assert ("nested-audit" in [one["id"] for one in answer["notices"]]) is asks


ROOT = Path(__file__).parent.parent
WITHOUT_SITE = (
    f"import sys; sys.path[:0] = {[str(ROOT)]}; from detaudit.cli.main import main_exit; main_exit()"
)


@pytest.mark.parametrize("verb", ["check", "lock", "record", "bisect"])
@pytest.mark.parametrize(
    "python", [["-m", "detaudit"], ["-I", "-S", "-c", WITHOUT_SITE]], ids=["plain", "isolated"]
)
def test_a_command_in_a_run_ends_at_once_with_an_error(program, monkeypatch, python, verb):
    """Whichever Python it is started by: the environment tells."""
    program("")
    monkeypatch.setenv(nested.VARIABLE, "folder")
    done = run(*python, verb, "program.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "[audit-within-audit]" in done.stderr
    assert "hint: audit the training function itself" in done.stderr


def test_commands_that_start_nothing_are_there_in_a_run(monkeypatch, capsys):
    monkeypatch.setenv(nested.VARIABLE, "folder")
    assert main(["explain", "fs-order"]) == 0
    assert "fs-order" in capsys.readouterr().out


def test_a_script_that_runs_the_command_on_itself_comes_to_an_end(program, capsys):
    path = program(
        "import subprocess, sys\n"
        "open('loads.txt', 'a').write('load\\n')\n"
        "subprocess.run([sys.executable, '-m', 'detaudit', 'check', sys.argv[0]])\n"
    )
    code, answer = checked(path, capsys)
    assert (code, answer["verdict"], loads()) == (2, "unverified", 1)
    assert "asks for an audit itself (detaudit check " in answer["reason"]


@pytest.mark.usefixtures("forked")
def test_a_run_that_clears_its_environment_is_still_one(program, capsys):
    asks = (
        "import sys\nos.environ.clear()\nprint(detaudit.check(train).reason, file=sys.stderr)\nsys.exit(1)\n"
    )
    code, answer = checked(program(TRAINING + asks), capsys)
    assert (code, loads()) == (2, 1)
    assert "no audit started: this process is itself a run" in answer["notices"][0]["message"]


def test_no_run_begins_within_a_run(tmp_path, monkeypatch):
    """Whatever it is that wants to begin one; outside it does."""
    target = Target(TargetKind.SCRIPT, "program.py", path=tmp_path / "program.py")
    (tmp_path / "program.py").touch()
    plan = RunPlan(target, 1, Level.LAYER, 0)
    with launched(plan, "1", tmp_path) as begun:
        assert begun.process.wait(60)
    monkeypatch.setenv(nested.VARIABLE, str(tmp_path))
    with pytest.raises(UsageError) as caught, launched(plan, "1", tmp_path):
        pass
    assert caught.value.slug == "audit-within-audit"
    assert nested.asked_in(tmp_path) == ("a run of program.py",)


SESSION = """
import os
import pytest

def count(what):
    with open("loads.txt", "a") as file:
        file.write(what + "\\n")

@pytest.mark.reproducible
def test_marked():
    count("load")

def test_fixture(detaudit):
    detaudit.assert_reproducible(count, "load")
    detaudit.assert_same(count, "load", vary={"hash-seed": [0, 1]})
    detaudit.assert_matches_lock(count, "load")
    assert detaudit(count, "load").reproducible
"""


@pytest.mark.parametrize("within", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_session_of_pytest_in_a_run_audits_nothing(program, tmp_path, within):
    """Its tests are run, and what they call is called, once; a session that is in no run starts some."""
    program(SESSION)
    environment = {name: text for name, text in os.environ.items() if name != nested.VARIABLE}
    if within:
        environment[nested.VARIABLE] = str(tmp_path)
    Path("detaudit.lock").write_text("")
    command = ["-m", "pytest", "-p", "no:cacheprovider", "program.py"]
    done = run(*command, *(["--detaudit", "--detaudit-update"] if within else []), env=environment)
    assert (done.returncode == 0) is within, done.stdout
    assert (loads() == 5) is within
    assert bool(nested.asked_in(tmp_path)) is within
    assert Path("detaudit.lock").read_text() == ""
