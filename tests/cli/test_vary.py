"""`--vary` on the command line: what it refuses at once, and what it prints."""

from __future__ import annotations

import pytest

from detaudit.cli.main import main


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Ask for a check of a script that must not be run, and give the exit status and what was said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("raise SystemExit('it was run')\n")

    def ask(*arguments):
        status = main(["check", "train.py", *arguments])
        return status, capsys.readouterr().err

    return ask


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vary", "thread=1,2"], "did you mean threads?"),
        (["--vary", "threads=1"], "fewer than two values"),
        (["--vary", "dtype=float32,float64"], "dtype cannot vary for a script"),
        (["--vary", "batch=1,4"], "batch cannot vary for a script"),
        (["--vary", "threads=1,2", "--runs", "5"], "--vary itself decides the number of runs"),
        (["--vary", "threads=1,2", "--perturb", "all"], "--vary and --perturb are two questions"),
        (["--vary", "threads=1,2", "--lock", "detaudit.lock"], "--vary and --lock are two questions"),
        (["--vary", "threads=1,2", "--vary", "threads=1,4"], "threads is given twice"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_runs(arguments, said, told):
    """A mistake in the question is an error with status 2 at once, with what to do instead."""
    status, error = told(*arguments)

    assert status == 2
    assert said in error
    assert "hint: " in error
    assert "run 1" not in error


def test_axes_come_from_files_and_variables_too(tmp_path):
    """`vary` is a list in `[tool.detaudit]`, and has a line for each axis in the environment."""
    from detaudit.config import resolve

    (tmp_path / "pyproject.toml").write_text('[tool.detaudit]\nvary = ["threads=1,2", "workers=0,2"]\n')
    assert resolve({}, folder=tmp_path, environment={}).vary == ("threads=1,2", "workers=0,2")
    variables = {"DETAUDIT_VARY": "threads=1,4\nhash-seed=0,1"}
    assert resolve({}, folder=tmp_path, environment=variables).vary == ("threads=1,4", "hash-seed=0,1")
    assert resolve({"vary": "mkldnn=on,off"}, folder=tmp_path, environment={}).vary == ("mkldnn=on,off",)
