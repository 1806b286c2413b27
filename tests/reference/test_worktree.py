"""A commit in a folder of its own: what is in it, and that nothing of it stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detaudit.errors import GitError, TargetError, UsageError
from detaudit.model.plan import TargetKind, TargetRef
from detaudit.reference.git import repository_of, resolve
from detaudit.reference.transplant import at_commit, imported_in_place
from detaudit.reference.worktree import checked_out, links_of, worktrees
from detaudit.run.options import RunOptions
from tests.reference import repositories

ROOT = Path(__file__).parents[2]
WAITS = "import pathlib, time\npathlib.Path({file!r}).touch()\ntime.sleep(60)\n"


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".git")


@pytest.fixture
def first(repository):
    """The hash of the first of two commits; the second one has not all of its files."""
    commit = repository.commit(
        "one", {"train.py": "one = 1\n", "old/train.py": "", ".gitignore": "data/\n*.bin\n"}
    )
    repository.git("rm", "--quiet", "-r", "old")
    repository.commit("two", {"train.py": "two = 2\n", "new.py": ""})
    repository.write("train.py", "not committed\n")
    repository.write("data/points.csv", "1,2\n")
    return commit


def test_the_commits_files_are_there_and_not_those_of_today(repository, first, place):
    with checked_out(repository.root, first, place) as checkout:
        assert (checkout.root / "train.py").read_text() == "one = 1\n"
        assert names(checkout.root) == [".gitignore", "old", "train.py"]
        assert checkout.root.name == repository.root.name


def test_everything_is_as_before_afterwards(repository, first, place):
    before = repository.everything()
    with checked_out(repository.root, first, place) as checkout:
        (checkout.root / "train.py").write_text("changed by a run")
        (checkout.root / "output.pt").touch()
        assert repository.everything() != before
    assert repository.everything() == before


def interrupted(repository, commit, place):
    with checked_out(repository.root, commit, place) as checkout:
        shutil.rmtree(checkout.root)
        raise KeyboardInterrupt


def test_everything_is_as_before_after_an_error(repository, first, place):
    before = repository.everything()
    with pytest.raises(KeyboardInterrupt):
        interrupted(repository, first, place)
    assert repository.everything() == before


def test_hooks_of_the_user_do_not_run(repository, first, place, tmp_path):
    hook = repository.root / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    with checked_out(repository.root, first, place):
        assert not (tmp_path / "ran").exists()
    repository.git("worktree", "add", "--detach", str(tmp_path / "by-hand"), first)
    assert (tmp_path / "ran").exists()


def test_within_a_hook_the_right_repository_is_used(repository, first, place, tmp_path, monkeypatch):
    other = repositories.make(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.root / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.root / ".git/index"))
    assert repository_of(repository.root) == repository.root
    with checked_out(repository.root, first, place) as checkout:
        assert (checkout.root / "train.py").read_text() == "one = 1\n"


def test_what_is_named_in_link_is_there_as_well(repository, first, place):
    repository.write("weights/best.bin", "numbers")
    links = links_of(repository.root, repository.root, "data/, weights/best.bin")
    with checked_out(repository.root, first, place, links) as checkout:
        assert (checkout.root / "data/points.csv").read_text() == "1,2\n"
        assert (checkout.root / "weights/best.bin").read_text() == "numbers"
    assert (repository.root / "data/points.csv").read_text() == "1,2\n"


def test_links_are_named_from_the_current_folder(repository, first):
    assert first
    assert links_of(repository.root, repository.root / "data", "points.csv") == (Path("data/points.csv"),)


@pytest.mark.parametrize(
    ("text", "slug"),
    [("dat/", "link-missing"), ("train.py", "link-tracked"), ("..", "link-outside"), (".", "link-outside")],
)
def test_what_cannot_be_linked_is_told(repository, first, text, slug):
    assert first
    with pytest.raises(UsageError) as caught:
        links_of(repository.root, repository.root, text)
    assert caught.value.slug == slug


def test_a_link_does_not_replace_what_the_commit_has(repository, first, place):
    repository.write("old/train.py", "not tracked any more")
    links = links_of(repository.root, repository.root, "old")
    with pytest.raises(GitError) as caught, checked_out(repository.root, first, place, links):
        pass
    assert caught.value.slug == "link-in-the-way"
    assert worktrees(repository.root) == [repository.root]


@pytest.fixture
def with_submodule(repository, tmp_path):
    """A repository whose first commit has another state of a submodule than its second one."""
    library = repositories.make(tmp_path / "library")
    library.commit("old", {"layers.py": "old = 1\n"})
    allow = ("-c", "protocol.file.allow=always")
    repository.git(*allow, "submodule", "--quiet", "add", str(library.root), "libs/library")
    first = repository.commit("one")
    newer = library.commit("new", {"layers.py": "new = 1\n"})
    submodule = repositories.Repository(repository.root / "libs/library")
    submodule.git("fetch", "--quiet")
    submodule.git("checkout", "--quiet", newer)
    repository.commit("two")
    shutil.rmtree(library.root)
    return first


def test_submodules_come_from_their_local_clones(repository, with_submodule, place):
    before = repository.everything()
    with checked_out(repository.root, with_submodule, place) as checkout:
        assert (checkout.root / "libs/library/layers.py").read_text() == "old = 1\n"
        assert checkout.empty == ()
    assert repository.everything() == before


def test_a_submodule_that_is_not_checked_out_here_is_not_there_either(repository, with_submodule, place):
    repository.git("submodule", "--quiet", "deinit", "--force", "libs/library")
    before = repository.everything()
    with checked_out(repository.root, with_submodule, place) as checkout:
        assert names(checkout.root / "libs/library") == []
        assert checkout.empty == ("libs/library",)
    assert repository.everything() == before


def test_a_submodule_without_its_commit_is_told(repository, with_submodule, place):
    missing = "1" * 40
    repository.git("update-index", "--cacheinfo", f"160000,{missing},libs/library")
    repository.git("commit", "--quiet", "--message", "a commit that was not pushed")
    with (
        pytest.raises(GitError) as caught,
        checked_out(repository.root, resolve(repository.root, "HEAD"), place),
    ):
        pass
    assert caught.value.slug == "submodule-commit-missing"
    assert "libs/library" in caught.value.message
    assert with_submodule
    assert worktrees(repository.root) == [repository.root]


@pytest.mark.parametrize("reference", ["no-such-branch", "--help", "HEAD~9", "HEAD:train.py"])
def test_a_reference_that_does_not_exist_is_told(repository, first, reference):
    assert resolve(repository.root, "HEAD~1") == first
    with pytest.raises(GitError) as caught:
        resolve(repository.root, reference)
    assert caught.value.slug == "reference-missing"
    assert reference in caught.value.message


def test_a_shallow_clone_is_told_to_be_one(first, repository, tmp_path):
    assert first
    repository.git("clone", "--quiet", "--depth", "1", f"file://{repository.root}", str(tmp_path / "clone"))
    with pytest.raises(GitError, match="no commit is named 'HEAD~1'") as caught:
        resolve(tmp_path / "clone", "HEAD~1")
    assert "shallow" in caught.value.hint


def test_a_branch_that_is_on_the_server_only_is_proposed(first, repository, tmp_path):
    assert first
    repository.git("branch", "release")
    repository.git("clone", "--quiet", str(repository.root), str(tmp_path / "clone"))
    with pytest.raises(GitError) as caught:
        resolve(tmp_path / "clone", "release")
    assert caught.value.hint == "did you mean origin/release?"


def test_a_repository_without_a_commit_is_told(repository):
    with pytest.raises(GitError) as caught:
        resolve(repository.root, "HEAD")
    assert caught.value.slug == "no-commit"


def test_a_folder_without_a_repository_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(GitError) as caught:
        repository_of(tmp_path)
    assert caught.value.slug == "not-a-repository"


def test_a_bare_repository_is_told(tmp_path, repository):
    repository.git("clone", "--quiet", "--bare", str(repository.root), str(tmp_path / "bare.git"))
    with pytest.raises(GitError) as caught:
        repository_of(tmp_path / "bare.git")
    assert caught.value.slug == "repository-bare"


def test_a_machine_without_git_is_told(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError) as caught:
        repository_of(repository.root)
    assert caught.value.slug == "git-missing"


def planned(repository, commit, place, text, *, module=False, folder=None):
    with checked_out(repository.root, commit, place) as checkout:
        plan = at_commit(TargetRef(text, module), RunOptions(), checkout, folder or repository.root)
        assert plan.folder is not None
        return plan, checkout


def test_the_target_of_a_commit_keeps_its_relative_name(repository, first, place):
    plan, checkout = planned(repository, first, place, "train.py")
    assert (plan.target.kind, str(plan.target.path)) == (TargetKind.SCRIPT, "train.py")
    assert plan.folder == checkout.root


def test_a_full_path_into_the_work_tree_is_not_taken_from_there(repository, first, place, tmp_path):
    (tmp_path / "alias").symlink_to(repository.root)
    for root in (repository.root, tmp_path / "alias"):
        plan, _ = planned(repository, first, place, str(root / "train.py"))
        assert str(plan.target.path) == "train.py"


def test_a_target_outside_of_the_repository_is_the_same_for_both(repository, first, place, tmp_path):
    (tmp_path / "outside.py").touch()
    plan, _ = planned(repository, first, place, "../outside.py")
    assert plan.target.path == tmp_path / "outside.py"


def test_the_run_starts_in_the_corresponding_folder(repository, first, place):
    repository.write("old/notes.txt", "")
    plan, checkout = planned(repository, first, place, "train.py", folder=repository.root / "old")
    assert plan.folder == checkout.root / "old"


@pytest.mark.parametrize(
    ("target", "folder"),
    [("new.py", "."), ("-m new", "."), ("new:main", "."), ("points.csv", "data")],
)
def test_a_target_that_the_commit_does_not_have_is_told(repository, first, place, target, folder):
    text = target.removeprefix("-m ")
    with pytest.raises(TargetError) as caught:
        planned(repository, first, place, text, module=text != target, folder=repository.root / folder)
    assert caught.value.slug == "target-not-at-commit"
    assert first[:10] in caught.value.message
    assert Path.cwd() == repository.root


def test_a_package_on_the_path_is_imported_from_the_commit(repository, place, monkeypatch, tmp_path):
    commit = repository.commit("one", {"src/package/__init__.py": "", "train.py": ""})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(repository.root / "src"), str(tmp_path)]))
    monkeypatch.syspath_prepend(repository.root / "src")
    plan, checkout = planned(repository, commit, place, "package:main")
    assert plan.import_first == (checkout.root / "src",)


FINDER = """
import sys

MAPPING = {{{name!r}: {place!r}}}

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None

sys.meta_path.append(Finder)
"""


def installed_by_finder(tmp_path, monkeypatch, name, place):
    """Imitate what setuptools installs for a package that stands in a project's top folder."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "__editable___finder.py").write_text(FINDER.format(name=name, place=str(place)))
    (site / "sitecustomize.py").write_text("import __editable___finder")
    monkeypatch.setenv("PYTHONPATH", str(site))


def test_a_package_that_is_found_by_a_finder_is_imported_from_the_commit(repository, tmp_path, monkeypatch):
    installed_by_finder(tmp_path, monkeypatch, "package", repository.root / "lib/package")
    assert imported_in_place(repository.root, repository.root) == (repository.root / "lib",)


def test_a_package_whose_folder_has_another_name_is_told(repository, tmp_path, monkeypatch):
    installed_by_finder(tmp_path, monkeypatch, "package", repository.root / "lib/sources")
    with pytest.raises(GitError) as caught:
        imported_in_place(repository.root, repository.root)
    assert caught.value.slug == "installed-under-another-name"


def test_a_check_that_is_ended_in_a_run_of_the_commit_leaves_no_work_tree(repository, tmp_path):
    waits = WAITS.format(file=str(tmp_path / "at"))
    repository.commit("one", {"train.py": waits})
    repository.write(
        "train.py", "import torch\nlayer = torch.nn.Linear(1, 1)\nlayer(torch.ones(1)).backward()\n"
    )
    assert ended_by(signal.SIGTERM, repository, tmp_path / "at") == 128 + signal.SIGTERM


def test_a_check_that_is_interrupted_in_a_run_of_the_work_tree_leaves_no_work_tree(repository, tmp_path):
    repository.commit("one", {"train.py": WAITS.format(file=str(tmp_path / "at"))})
    assert ended_by(signal.SIGINT, repository, tmp_path / "at") == 130


def ended_by(number, repository, file):
    before = repository.everything()
    process = check_against("HEAD", repository.root)
    wait_for(file, process)
    assert len(worktrees(repository.root)) == 2
    process.send_signal(number)
    code = process.wait(30)
    assert repository.everything() == before
    return code


def check_against(reference, folder):
    command = [sys.executable, "-m", "detaudit", "check", "train.py", "--against", reference]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_for(file, process):
    deadline = time.monotonic() + 60
    while not file.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
