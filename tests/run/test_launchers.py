"""`--launch`: the launcher that starts the target is the user's own."""

from __future__ import annotations

import sys
import textwrap

import pytest

from detaudit.cli.main import main
from tests.ranks.launched import GLOO, TORCHRUN

TRAIN = """
    import os, sys, torch
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    for _ in range(2):
        noise = float(os.environ["LAUNCHED"]) if "--fault" not in sys.argv else torch.seed() % 97
        loss = (net(torch.ones(4, 3)) * noise).pow(2).mean()
        net.zero_grad(); loss.backward()
        with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with programs, and a launcher on PATH that sets a variable and needs an option of its own."""
    for name, source in {"train.py": TRAIN, "ddp.py": GLOO}.items():
        (tmp_path / name).write_text(textwrap.dedent(source))
    launcher = tmp_path / "bin" / "starter"
    launcher.parent.mkdir()
    launcher.write_text(
        f'#!/bin/sh\n[ "$1" = --go ] || exit 9\nshift\nLAUNCHED=2 exec {sys.executable} "$@"\n'
    )
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(launcher.parent), prepend=":")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("target", [["train.py"], ["-m", "train"]])
def test_a_launcher_on_the_path_starts_a_script_and_a_module_as_the_user_would(target, capsys):
    assert main(["check", *target, "--launch", "starter --go", "--no-diagnose"]) == 0
    assert capsys.readouterr().out.startswith("REPRODUCIBLE")


@pytest.mark.usefixtures("place")
def test_what_the_launcher_starts_is_told_apart_where_it_differs():
    assert main(["check", "train.py", "--launch", "starter --go", "--no-diagnose", "--", "--fault"]) == 1


@pytest.mark.usefixtures("place")
def test_a_launcher_that_fails_is_no_evidence(capsys):
    assert main(["check", "train.py", "--launch", "starter", "--no-diagnose"]) == 2
    assert "exit status 9" in capsys.readouterr().out


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train.py", "--launch", "no-such-launcher -n 2"], "no program named 'no-such-launcher'"),
        (["train.py", "--launch", "starter 'go"], "cannot be read: No closing quotation"),
        (["train:main", "--launch", "starter --go"], "called by detaudit itself"),
        (["train.py", "--launch", ""], "--launch: '' is not possible"),
    ],
)
def test_a_launcher_that_cannot_start_the_target_is_told_before_any_run(arguments, words, capsys):
    assert main(["check", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "run 1" not in captured.err


@pytest.mark.slow
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--", "--fault", "1"], 1)])
def test_ranks_that_torchrun_starts_are_compared_rank_by_rank(arguments, code, capsys):
    assert (
        main(["check", "ddp.py", "--launch", TORCHRUN, "--level", "layer", "--no-diagnose", *arguments])
        == code
    )
    out = capsys.readouterr().out
    assert ("rank 1, step 0" in out) is bool(code)
