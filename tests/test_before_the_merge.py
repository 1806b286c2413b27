"""The section "Before the merge" of the page `ci`, and the example repository that shows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from detaudit.pages.page import page
from detaudit.reference.lock_file import read_lock

HERE = Path(__file__).parent
TEAM = HERE.parent / "detaudit" / "examples" / "team"
MARK = "<!-- test: before the merge -->"
BROKEN = "noise in the inputs"


def commands():
    """The commands of the section, without their remarks."""
    text = page("ci").text
    block = re.search(re.escape(MARK) + r"\n```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return [line.partition("  #")[0].strip() for line in block[1].splitlines()]


def shell(command, folder):
    # CI would keep the lock from being written, and that is what is tried here.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    # Other plugins take time to load in each of the sessions, of which there is one for each run.
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_detaudit.plugin"}
    done = subprocess.run(  # noqa: S602 - the page's own commands
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A copy of the example as a repository with a history: `v1.0`, `main`, and a broken `nightly`."""
    folder = tmp_path_factory.mktemp("repositories") / "team"
    shutil.copytree(TEAM, folder, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    train = folder / "train.py"
    sound = train.read_text()
    commit = "git add -A && git -c user.name=a -c user.email=a@b.c commit -qm"
    for command in ("git init -q -b main .", f"{commit} first", "git tag v1.0", "git checkout -qb nightly"):
        assert shell(command, folder)[0] == 0
    train.write_text(sound.replace("history = train(epochs=2)", "history = train(epochs=2, noise=0.1)"))
    assert shell(f"{commit} '{BROKEN}'", folder)[0] == 0
    assert shell("git checkout -q main", folder)[0] == 0
    return folder


@pytest.fixture(scope="module")
def answers(team):
    """Exit status and output of each command, one after the other, by its first two words."""
    given = {}
    for at, command in enumerate(commands()):
        # How many runs a commit needs is measured, which takes some; here two are known to be enough.
        more = " --runs 2" if "bisect" in command else ""
        given[" ".join(command.split()[:2]) + str(at)] = shell(command + more, team)
    return given


def test_a_lock_is_written_and_held(answers):
    assert answers["detaudit lock0"][0] == 0, answers["detaudit lock0"]
    code, output = answers["detaudit check1"]
    assert (code, output.count("UNCHANGED  train.py")) == (0, 1), output


def test_the_work_tree_is_held_against_a_branch(answers):
    code, output = answers["detaudit check2"]

    assert code == 0, output
    assert "UNCHANGED  train.py" in output
    assert "::notice" in output


def test_the_commit_that_broke_it_is_found(answers):
    code, output = answers["detaudit bisect3"]

    assert code == 0, output
    assert BROKEN in output


def test_the_tests_of_the_team_pass(answers, team):
    code, output = answers["pytest --detaudit4"]

    assert code == 0, output
    assert (team / "audits.md").read_text().startswith("<!-- detaudit -->")


def test_the_lock_of_the_example_has_what_its_tests_and_its_hook_hold():
    targets = {block.target.name for block in read_lock(TEAM / "detaudit.lock").blocks}

    test = "tests/test_training.py::test_training_gives_the_numbers_that_are_locked"
    assert targets == {"train.py", test}


def test_a_changed_number_stops_the_hook(team):
    entry = re.search(r"entry: (.*)", (team / ".pre-commit-config.yaml").read_text())
    train = team / "train.py"
    before = train.read_text()
    assert shell(entry[1], team)[0] == 0

    train.write_text(before.replace("lr=0.1", "lr=0.11"))
    code, output = shell(entry[1], team)
    train.write_text(before)

    assert code == 1, output
    assert "CHANGED  train.py" in output
    assert "train.py:" in output
