"""The work tree held against another commit."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from detaudit.config import Settings, commit_options
from detaudit.errors import TargetError
from detaudit.model.plan import TargetRef
from detaudit.model.result import ReferenceState, Verdict
from detaudit.reference import by_itself, change
from detaudit.reference.commit import audit_against_commit
from detaudit.reference.worktree import worktrees
from detaudit.run.progress import Silence
from tests import results
from tests.reference.pretended import Pretended, target

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pretended(monkeypatch):
    """No process is started: the target says what its trace has."""
    runs = Pretended()
    monkeypatch.setattr("detaudit.run.runs.execute", runs)
    return runs


@pytest.fixture
def check(repository, pretended):
    """Hold the target that has `here` in it against the commit that has `there`."""
    assert pretended.ran == []

    def checked(there, here, against="main", **rest):
        repository.commit("base", {"train.py": there, ".gitignore": "data/\n"})
        repository.write("train.py", here)
        before = repository.everything()
        result = audit_against_commit(
            TargetRef("train.py"), commit_options(Settings(**rest), against), Silence()
        )
        assert repository.everything() == before
        return result

    return checked


def test_numbers_that_did_not_change_are_reproducible(check, pretended, repository):
    result = check(target(), target() + "# a comment\n")
    (reference,) = result.references
    assert result.verdict is Verdict.REPRODUCIBLE
    assert (reference.kind, reference.name, reference.state) == ("commit", "main", ReferenceState.EQUAL)
    assert reference.commit == repository.git("rev-parse", "main")
    assert (reference.differing, reference.difference, reference.first) == (0, None, None)
    assert reference.compared > 0
    assert reference.changed == ("train.py:2",)
    assert len(pretended.ran) == 2


def test_the_commit_runs_in_a_folder_of_its_own(check, pretended, repository):
    check(target(), target(weight=2.0))
    ours, theirs = pretended.ran[:2]
    assert ours == repository.root
    assert theirs.name == "project"
    assert theirs != repository.root
    assert pretended.ran[2:] == [ours, theirs]


def test_a_changed_number_is_a_finding_with_its_size(check):
    result = check(target(), target(used=0.5001, weight=1.1))
    (reference,), (finding,) = result.references, result.findings
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert (finding.id, finding.cause, finding.confirmed) == ("differs-from-commit", None, True)
    assert (reference.state, reference.difference) == (ReferenceState.DIFFERS, "numeric")
    assert (reference.first.step, reference.first.phase) == (0, "optimizer")
    assert reference.first.run == ("main", "work tree")
    assert 0 < reference.differing < reference.compared
    assert reference.relative == pytest.approx(0.1 / 1.1)
    assert (reference.only_here, reference.only_there) == ((), ())
    assert result.extra_runs == 2


def test_a_renamed_layer_is_structural_and_named(check):
    (reference,) = check(target(), target(layer="convolution")).references
    assert (reference.state, reference.difference) == (ReferenceState.DIFFERS, "structural")
    assert reference.only_there == ("Net.conv",)
    assert reference.only_here == ("Net.convolution",)


def test_small_differences_are_allowed_by_a_tolerance_and_told(check):
    result = check(target(), target(weight=1.0001), tolerance=1e-3)
    assert result.verdict is Verdict.REPRODUCIBLE
    assert result.references[0].state is ReferenceState.WITHIN_TOLERANCE
    assert result.references[0].relative == pytest.approx(1e-4, rel=0.01)
    (notice,) = [one for one in result.notices if one.id == "within-tolerance"]
    assert "0.0001" in notice.message


@pytest.mark.parametrize("here", [{"weight": 1.1}, {"layer": "convolution"}, {"state": "not sketched"}])
def test_a_tolerance_allows_nothing_else(check, here):
    result = check(target(), target(**here), tolerance=1e-3)
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert result.references[0].state is ReferenceState.DIFFERS


@pytest.mark.parametrize("audited", [results.differing(), results.equal()])
def test_a_work_tree_that_is_not_reproducible_is_audited_instead(check, monkeypatch, audited):
    asked = []
    monkeypatch.setattr(by_itself, "audit_target", lambda *given: asked.append(given) or audited)
    result = check(target(), target(noise=True))
    assert len(asked) == 1
    # Also where the runs of the audit agree by chance.
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert result.findings[0].id != "differs-from-commit"
    assert result.references[0].state is ReferenceState.NOT_COMPARABLE


def test_a_commit_that_is_not_reproducible_can_be_no_reference(check):
    result = check(target(noise=True), target())
    assert result.verdict is Verdict.UNVERIFIED
    assert result.reason.startswith("two runs of main differ")
    assert result.references[0].state is ReferenceState.NOT_COMPARABLE


@pytest.mark.parametrize(
    ("there", "here", "name"), [({"fails": 1}, {}, "main"), ({}, {"fails": 1}, "work tree")]
)
def test_a_side_that_fails_leaves_it_unverified(check, there, here, name):
    result = check(target(**there), target(**here))
    assert result.verdict is Verdict.UNVERIFIED
    assert result.reason.startswith(f"{name}: run 1 ended with exit status 1")
    assert "ValueError: no numbers" in result.notices[0].message
    # Only the other commit lacks what git ignores.
    assert any("--link" in notice.message for notice in result.notices) is (name == "main")


def test_a_target_that_is_new_is_told(repository, pretended):
    repository.commit("base", {"other.py": target()})
    repository.write("train.py", target())
    with pytest.raises(TargetError) as caught:
        audit_against_commit(TargetRef("train.py"), commit_options(Settings(), "main"), Silence())
    assert caught.value.slug == "target-not-at-commit"
    assert pretended.ran == []
    assert worktrees(repository.root) == [repository.root]


def test_a_difference_without_a_changed_line_is_explained(check, repository, monkeypatch, pretended):
    repository.write("data/numbers", "")
    plain = pretended.trace
    monkeypatch.setattr(
        pretended,
        "trace",
        lambda path, values: plain(path, {**values, "weight": float("here" in path.parts)}),
    )
    result = check(target(), target())
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert [notice.id for notice in result.notices] == ["nothing-changed"]


def test_a_run_of_the_commit_with_code_of_the_work_tree_is_told(check, repository):
    ours = str(repository.root / "model.py")
    result = check(target(site=ours), target(site=ours))
    assert result.verdict is Verdict.UNVERIFIED
    assert "the run of main used model.py of the work tree" in result.reason


def test_code_that_git_ignores_is_shared_by_both(check, repository):
    ours = str(repository.root / "data/environment.py")
    assert check(target(site=ours), target(site=ours)).verdict is Verdict.REPRODUCIBLE


def test_of_a_long_run_the_first_steps_are_counted(check, monkeypatch):
    whole = check(target(), target(weight=1.5)).references[0].compared
    monkeypatch.setattr(change, "MOST_EVENTS", 10)
    result = check(target() + "# again", target(weight=1.5))
    assert result.references[0].compared < whole
    assert [one.id for one in result.notices] == ["counted-in-part"]


@pytest.mark.parametrize(
    ("weight", "verdict"), [(1.0001, Verdict.UNVERIFIED), (1.5, Verdict.NOT_REPRODUCIBLE)]
)
def test_a_tolerance_that_was_held_in_part_is_no_verdict(check, monkeypatch, weight, verdict):
    monkeypatch.setattr(change, "MOST_EVENTS", 10)
    assert check(target(), target(weight=weight), tolerance=1e-3).verdict is verdict


def test_what_has_no_effect_is_told(check):
    result = check(target(), target(), runs=5, perturb="all")
    assert {"runs-unused", "not-perturbed"} == {notice.id for notice in result.notices}


def test_traces_are_kept_where_they_are_asked_for(check, tmp_path):
    check(target(), target(), keep=tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["here", "there"]
    assert list((tmp_path / "kept").rglob("main.trace"))


MODEL = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.last = nn.Linear(8, 1)

    def forward(self, x):
        return self.last(self.first(x).relu())
"""
# No optimizer: importing what torch.optim needs would double the time of each process.
TRAIN = """
import torch
from package.model import Net

torch.manual_seed(0)
model = Net()
for step in range(3):
    loss = model(torch.randn(8, 4)).pow(2).mean()
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
"""


@pytest.fixture
def project(repository):
    """A training and the package that it imports, which is installed in place."""
    repository.commit(
        "base", {"scripts/train.py": TRAIN, "src/package/__init__.py": "", "src/package/model.py": MODEL}
    )
    return repository


def detaudit(repository, *arguments):
    command = [sys.executable, "-m", "detaudit", *arguments]
    paths = os.pathsep.join([str(repository.root / "src"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=repository.root / "scripts", env=environment, capture_output=True, text=True, check=False
    )


def test_a_refactoring_that_moves_and_renames_changes_nothing(project):
    moved = textwrap.indent(MODEL, "    ")
    project.write("src/package/inner/layers.py", f"def build():{moved}\n    return Net()\n")
    project.write("src/package/model.py", "from package.inner.layers import build as Net\n")
    project.write("scripts/train.py", TRAIN.replace("step", "_").replace("loss", "objective"))
    before = project.everything()
    ended = detaudit(project, "check", "train.py", "--against", "main")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "UNCHANGED  train.py"), ended.stdout
    assert project.everything() == before


def test_a_layer_of_an_installed_package_that_was_added_is_found(project):
    project.write(
        "src/package/model.py",
        MODEL.replace("self.last(", "self.last(self.extra(")
        .replace(".relu())", ".relu()))")
        .replace("self.last =", "self.extra = nn.Linear(8, 8)\n        self.last ="),
    )
    ended = detaudit(project, "check", "train.py", "--against", "main")
    assert ended.returncode == 1
    assert "structural" in ended.stdout
    assert "only here: Net.extra" in ended.stdout
    assert "src/package/model.py:" in ended.stdout
