"""The command line as a whole: arguments, errors, exit codes, what is imported."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detaudit.cli import diff
from detaudit.cli.main import VERBS, main, split

ROOT = Path(__file__).parents[2]
TORCH_CHECK = (
    "import sys\nfrom detaudit.cli.main import main\n"
    "{before}\ncode = main(sys.argv[1:])\nprint('torch' in sys.modules)"
)


def run(*arguments, before="", folder=None):
    program = TORCH_CHECK.format(before=before)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    ended = subprocess.run(
        command, cwd=folder or ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()[-1] == "True"


def test_help_and_errors_do_not_import_torch():
    assert not run("--help")
    assert not run("check", "--help")
    assert not run("check", "train.py", "--runs", "1")


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_says_of_each_verb_what_its_module_says(verb, capsys):
    """The list of verbs is shown without loading them, and is right all the same."""
    summary = importlib.import_module(f"detaudit.cli.{verb}").__doc__.partition("\n")[0]

    assert VERBS[verb] == summary
    assert main([verb, "--help"]) == 0
    assert summary in " ".join(capsys.readouterr().out.split())


def test_the_help_loads_no_verb():
    program = (
        "import sys, detaudit.cli.main as m; m.main(['--help']); print('detaudit.cli.check' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines()[-1] == "False"


def test_diff_and_report_do_not_import_torch(traces):
    assert not run("diff", "a.trace", "other.trace", "--json", "r.json", folder=traces)
    assert not run("report", "r.json", folder=traces)


def test_the_test_for_torch_can_fail(tmp_path):
    (tmp_path / "torch.py").touch()
    assert run("--help", before=f"sys.path.insert(0, {str(tmp_path)!r}); import torch")


def test_python_m_detaudit_is_the_same_program(traces):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "detaudit", "diff", "a.trace", "other.trace"]
    ended = subprocess.run(command, cwd=traces, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith("NOT REPRODUCIBLE")


def test_a_reader_that_leaves_early_does_no_harm(traces):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "detaudit", "diff", "a.trace", "other.trace", "--json", "-"]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        command, cwd=traces, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert ended.returncode in {1, 2}
    assert ended.stderr == b""


def test_help_says_verbs_and_exit_codes(command):
    code, out, _ = command("--help")
    assert code == 0
    for words in ("check", "record", "diff", "report", "env", "exit codes"):
        assert words in out


def test_version(command):
    from detaudit import __version__

    assert command("--version")[:2] == (0, f"detaudit {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["audit", "train.py"],
        ["check"],
        ["check", "-m"],
        ["check", "train.py", "-m", "pkg"],
        ["check", "train.py", "other.py"],
        ["check", "train.py", "--epochs", "3"],
        ["check", "train.py", "--ru", "3"],
        ["check", "train.py", "--runs", "many"],
        ["check", "train.py", "--runs", "1"],
        ["check", "train.py", "--runs", "2", "--runs", "3"],
        ["check", "train.py", "--jobs", "0"],
        ["check", "train.py", "--level", "deep"],
        ["check", "train.py", "--seed", "-1"],
        ["check", "train.py", "--timeout", "nan"],
        ["check", "train.py", "--json", "-", "--json", "-"],
        ["check", "train.py", "--json", "none/r.json"],
        ["record", "train.py"],
        ["record", "train.py", "-o", "none/run.trace"],
        ["record", "-o", "run.trace"],
        ["diff", "a.trace"],
        ["diff", "a.trace", "b.trace", "--", "c"],
        ["report"],
        ["env", "--json", "-", "--json", "-"],
    ],
)
def test_a_wrong_command_line_is_a_message_and_exit_2(command, arguments):
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("detaudit: ")
    assert err.rstrip().count("\n") <= 2
    assert "Traceback" not in err


def test_arguments_of_the_target_in_the_wrong_place_are_explained(command):
    assert "detaudit check train.py -- --epochs 3" in command("check", "train.py", "--epochs", "3")[2]


def test_the_first_double_dash_parts_the_arguments():
    assert split(["check", "t.py", "--", "--a", "--", "b"]) == (["check", "t.py"], ["--a", "--", "b"])
    assert split(["check", "t.py", "--"]) == (["check", "t.py"], [])
    assert split(["check", "t.py"]) == (["check", "t.py"], None)


def fail_with(monkeypatch, error):
    def fail(_):
        raise error

    monkeypatch.setattr(diff, "run", fail)


def test_an_interrupt_is_130(command, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    assert command("diff", "a", "b") == (130, "", "detaudit: interrupted\n")


def test_a_bug_is_told_as_one(command, monkeypatch):
    fail_with(monkeypatch, ZeroDivisionError("oops"))
    code, out, err = command("diff", "a", "b")
    assert (code, out) == (2, "")
    assert "this is a bug in detaudit" in err
    assert "ZeroDivisionError: oops" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["diff", "a", "b"], ["check"]])
def test_debugging_shows_the_traceback(command, monkeypatch, arguments):
    monkeypatch.setenv("DETAUDIT_DEBUG", "1")
    fail_with(monkeypatch, ZeroDivisionError("oops"))
    assert "Traceback" in command(*arguments)[2]


def test_an_unknown_key_in_the_configuration_is_told(command, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.detaudit]\nrnus = 3\n")
    code, _, err = command("check", "train.py")
    assert code == 2
    assert "'rnus'" in err
    assert "did you mean runs?" in err


def test_main_raises_nothing():
    assert main(["--no-such-option"]) == 2
