"""The search for a commit, and how many runs of each it takes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detaudit.cli.main import VERBS, build_parser, main
from detaudit.compare.enough_runs import all_agree, all_like, runs_needed
from detaudit.reference import bisect
from detaudit.reference.trial import Trial
from detaudit.run.progress import Silence
from tests.reference.pretended import Pretended, target

ROOT = Path(__file__).parents[2]
STEP = (
    "import sys; sys.path.append(sys.argv[2])\n"
    "from detaudit.cli.bisect_step import main_exit\n"
    "from detaudit.run import runs\n"
    "from tests.reference.pretended import Pretended\n"
    "runs.execute = Pretended()\n"
)
GOES_ON = "main_exit(sys.argv[1])"


@pytest.mark.parametrize(("q", "runs"), [(0.5, 4), (0.8, 10), (0.95, 30)])
def test_two_outcomes_are_not_taken_for_one_more_often_than_was_said(q, runs):
    # As many runs of each outcome as can be expected, of so many that their shares are well known.
    sizes = [round(q * 1000), round((1 - q) * 1000)]
    really = q**runs + (1 - q) ** runs
    assert really <= all_agree(sizes, runs) <= 2.1 * really


def test_what_differs_every_time_needs_few_runs_and_what_rarely_does_many():
    needed = [
        runs_needed(lambda runs, sizes=sizes: all_agree(sizes, runs), 2)
        for sizes in ([1] * 5, [4, 4], [7, 1])
    ]
    assert needed == [4, 8, 22]


def test_one_run_of_many_that_is_not_like_the_reference_needs_many():
    assert all_like(8, 8, 2) == pytest.approx(0.01)
    assert runs_needed(lambda runs: all_like(8, 1, runs), 1) == 21


@pytest.fixture
def search(repository, monkeypatch, capfd):
    """Search a history of targets, the first of which is good and the last bad; no run trains anything."""
    monkeypatch.setattr("detaudit.run.runs.execute", Pretended())
    monkeypatch.setattr(bisect, "_STEP", STEP + GOES_ON)

    def searched(targets, *arguments, target_file="train.py"):
        hashes = [
            repository.commit(
                f"commit {number}", {"train.py": f"{text}# {number}\n", ".gitignore": "__pycache__\n"}
            )
            for number, text in enumerate(targets)
        ]
        ends = () if "--good" in arguments else ("--good", hashes[0], "--bad", "main")
        before = repository.everything()
        code = main(["bisect", target_file, *ends, *arguments])
        assert repository.everything() == before
        told = capfd.readouterr()
        return code, told.out, told.err, hashes

    return searched


def test_the_commit_that_broke_reproducibility_is_named(search):
    code, out, err, hashes = search([target()] * 4 + [target(noise=True)] * 5)
    assert code == 0
    assert out.startswith(f"FOUND  {hashes[4][:10]} is the first commit whose runs differ\n")
    assert re.search(r"subject +commit 4\n", out)
    assert re.search(r"author +a@example.org <a@example.org>, \d{4}-\d\d-\d\d\n", out)
    assert re.search(r"changed +train.py:1", out)
    assert re.search(r"tested +\d commits with \d+ runs, up to 4 runs of each\n", out)
    assert "is missed at a commit with a chance of 0.7%" in " ".join(out.split())
    assert f"{hashes[4][:10]} is bad" in err


def test_the_commit_that_changed_the_numbers_is_named(search):
    targets = [target()] * 2 + [target(weight=1.5)] * 3
    code, out, _, hashes = search(targets, "--property", "numerics")
    assert code == 0
    assert out.startswith(f"FOUND  {hashes[2][:10]} is the first commit whose numbers differ\n")
    assert "one run of each commit is enough" in " ".join(out.split())


def test_numbers_that_come_back_are_no_loss_of_reproducibility(search):
    code, out, err, _ = search([target(), target(weight=1.5)])
    assert (code, out) == (2, "")
    assert "8 runs of main" in err
    assert "are all the same [bad-is-not-bad]" in err


def test_where_nothing_lies_between_it_is_the_bad_one(search):
    code, out, _, hashes = search([target(), target(noise=True)], "--runs", "3")
    assert code == 0
    assert out.startswith(f"FOUND  {hashes[1][:10]}")
    assert "up to 3 runs of each" in out


def test_commits_that_cannot_be_run_are_skipped_and_told(search):
    targets = [target()] * 3 + [target(fails=1)] * 2 + [target()] + [target(noise=True)] * 2
    code, out, _, hashes = search(targets, "--runs", "2")
    assert code == 0
    assert out.startswith(f"FOUND  {hashes[6][:10]}")
    told = " ".join(out.split())
    assert any(f"skipped {one[:10]}: run 1 ended with exit status 1" in told for one in hashes[3:5])


def test_where_the_guilty_one_cannot_be_run_all_candidates_are_named(search):
    targets = [target(), target(fails=1), target(noise=True)]
    code, out, _, hashes = search(targets, "--runs", "2")
    assert code == 2
    assert out.startswith("NOT FOUND  one of 2 commits is the first whose runs differ")
    assert all(one[:10] in out for one in hashes[1:])
    assert "ValueError: no numbers" in out


def test_a_commit_without_the_target_is_skipped(search, repository):
    repository.commit("before", {"other.py": target()})
    code, _, err, _ = search(
        [target(), target(noise=True)], "--runs", "2", "--good", "main~2", "--bad", "main"
    )
    assert code == 2
    assert "is not good: the target is not there" in err


@pytest.mark.parametrize(
    ("targets", "arguments", "slug"),
    [
        ([target()] * 2, ["--good", "main", "--bad", "main~1"], "bisect-unrelated"),
        ([target()] * 2, ["--good", "main", "--bad", "main"], "bisect-nothing"),
        ([target()] * 2, ["--good", "no-such-branch", "--bad", "main"], "reference-missing"),
        ([target(noise=True)] * 2, ["--runs", "2"], "good-is-not-good"),
        ([target(noise=True), target()], ["--property", "numerics"], "good-not-reproducible"),
        ([target()] * 2, ["--property", "numerics"], "bad-is-not-bad"),
        ([target(), target(fails=1)], [], "run-failed"),
        ([target()] * 2, ["--runs", "1"], "configuration-invalid"),
        ([target()] * 2, ["--good", "main"], "usage"),
    ],
)
def test_what_cannot_be_searched_is_told(search, targets, arguments, slug):
    code, out, err, _ = search(targets, *arguments)
    assert (code, out) == (2, "")
    assert f"[{slug}]" in err


def test_a_step_that_breaks_is_no_verdict(search, monkeypatch):
    monkeypatch.setattr(bisect, "_STEP", "raise SystemExit(1)")
    code, out, err, _ = search([target(), target(), target(noise=True)], "--runs", "2")
    assert (code, out) == (2, "")
    assert "[bisect-step-failed]" in err


def test_an_error_in_a_step_ends_the_search(search, monkeypatch):
    broken = "from detaudit.cli import bisect_step\nbisect_step.resolve = None\n"
    monkeypatch.setattr(bisect, "_STEP", STEP + broken + GOES_ON)
    code, out, err, _ = search([target(), target(), target(noise=True)], "--runs", "2")
    assert (code, out) == (2, "")
    assert "TypeError" in err
    assert "[bisect-not-ended]" in err


ENDS_PRETENDED = (
    "from detaudit.cli.main import main_exit\nfrom detaudit.run import runs\n"
    "from tests.reference.pretended import Pretended\nruns.execute = Pretended()\nmain_exit()\n"
)
"""Only what is between the ends is really run: by the processes that git starts."""


def searching(tmp_path):
    """Start a search between the last commit and the one two before it."""
    arguments = shlex.split("bisect train.py --good main~2 --bad main --runs 2")
    command = [sys.executable, "-c", ENDS_PRETENDED, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def test_a_search_that_is_ended_leaves_nothing(repository, tmp_path):
    waits = f"import pathlib, time\npathlib.Path({str(tmp_path / 'at')!r}).touch()\ntime.sleep(60)\n"
    for number, text in enumerate((target(), waits, target(noise=True))):
        repository.commit(str(number), {"train.py": f"{text}# {number}\n"})
    before = repository.everything()
    with searching(tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "at").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert repository.everything() != before
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert repository.everything() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["at", "project"]


TRAIN = """
import time
import torch

torch.manual_seed({seed})
layer = torch.nn.Linear(2, 1)
layer(torch.randn(4, 2)).sum().backward()
layer.weight.data -= 0.1 * layer.weight.grad
layer(torch.ones(1, 2))
"""


@pytest.mark.parametrize(("seed", "guilty"), [("time.time_ns()", "main~1"), ("0", "main")])
def test_real_runs_lead_to_the_commit(repository, tmp_path, seed, guilty):
    for number, text in enumerate((target(), TRAIN.format(seed=seed), target(noise=True))):
        repository.commit(str(number), {"train.py": f"{text}# {number}\n"})
    before = repository.everything()
    with searching(tmp_path) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.startswith(f"FOUND  {repository.git('rev-parse', guilty)[:10]} ")
    assert repository.everything() == before


def test_what_a_trial_asks_reaches_another_process_as_it_is(tmp_path):
    asked = Trial(
        repository="/r", folder="/r/f", place=str(tmp_path), target="train.py", is_module=False,
        args=("--a", "1"), links=("data",), level="auto", seed=3, steps=2, timeout=1.5, runs=4,
    )  # fmt: skip
    assert Trial.load(asked.save()) == asked


def test_a_trial_of_a_commit_that_is_not_there_is_skipped_with_the_reason(repository, tmp_path):
    commit = repository.commit("one", {"other.py": ""})
    asked = Trial(
        repository=str(repository.root), folder=str(repository.root), place=str(tmp_path), target="train.py",
        is_module=False, args=(), links=(), level="auto", seed=0, steps=None, timeout=None,
    )  # fmt: skip
    tried = asked.ask(commit, Silence())
    assert tried.outcome == "skipped"
    assert "train.py" in tried.reason


def test_the_hooks_for_pre_commit_are_commands_that_exist():
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    hooks = [
        dict(re.findall(r"^(?:- |  )(\w+): (.+)$", part, re.MULTILINE))
        for part in re.split(r"^(?=- )", text, flags=re.MULTILINE)[1:]
    ]
    assert [hook["id"] for hook in hooks] == ["detaudit-lock", "detaudit-check"]
    for hook in hooks:
        assert (hook["language"], hook["stages"]) == ("system", "[pre-push, manual]")
        assert (hook["pass_filenames"], hook["always_run"]) == ("false", "true")
        program, verb, *options = shlex.split(hook["entry"])
        assert program == "detaudit"
        assert verb in VERBS
        assert build_parser(verb).parse_args([verb, *options, "train.py"]).target == "train.py"
