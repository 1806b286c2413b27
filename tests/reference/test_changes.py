"""Which lines changed since a commit, in real repositories."""

from __future__ import annotations

import os

import pytest

from detaudit.errors import GitError
from detaudit.reference.changes import MOST, changed_lines, is_shallow, last_commit
from tests.reference import repositories

TEXT = "".join(f"line = {number}\n" for number in range(1, 21))


def test_nothing_changed_is_nothing(repository):
    commit = repository.commit("one", {"train.py": TEXT})
    assert changed_lines(repository.root, commit) == ()


def test_changed_lines_are_named_committed_or_not(repository):
    commit = repository.commit("one", {"train.py": TEXT, "lib/model.py": TEXT})
    repository.commit("two", {"train.py": TEXT.replace("line = 3\n", "line = 33\nmore = 1\n")})
    repository.write("lib/model.py", TEXT.replace("line = 20\n", "line = 0\n"))
    assert changed_lines(repository.root, commit) == ("lib/model.py:20", "train.py:3-4")


def test_new_and_removed_files_and_removed_lines_are_named(repository):
    commit = repository.commit("one", {"a.py": TEXT, "b.py": TEXT})
    (repository.root / "a.py").unlink()
    repository.write("b.py", TEXT.replace("line = 5\nline = 6\n", ""))
    repository.write("c.py", TEXT)
    assert changed_lines(repository.root, commit) == ("a.py (removed)", "b.py:4", "c.py (new)")


def test_only_programs_and_their_configuration_count(repository):
    commit = repository.commit("one", {"train.py": TEXT, ".gitignore": "ignored.py\n"})
    for name in ("README.md", "data.csv", "ignored.py", "conf/run.yaml", "requirements.txt"):
        repository.write(name, "changed\n")
    assert changed_lines(repository.root, commit) == ("conf/run.yaml (new)", "requirements.txt (new)")


def test_asking_leaves_the_index_as_it_is(repository):
    """Also where a file has another date and the same content, which `git diff` would note there."""
    commit = repository.commit("one", {"train.py": TEXT})
    os.utime(repository.root / "train.py", (1.0, 1.0))
    before = (repository.root / ".git/index").read_bytes()

    assert changed_lines(repository.root, commit) == ()
    assert (repository.root / ".git/index").read_bytes() == before

    # git by itself does note it, so that the check above can fail.
    repository.git("diff", commit)
    assert (repository.root / ".git/index").read_bytes() != before


def test_many_places_are_counted(repository):
    commit = repository.commit("one", {"train.py": TEXT})
    for number in range(MOST + 3):
        repository.write(f"file{number:02}.py", TEXT)
    found = changed_lines(repository.root, commit)
    assert (len(found), found[-1]) == (MOST + 1, "and 3 more")


@pytest.mark.parametrize(
    "setting",
    [
        ("diff.noprefix", "true"),
        ("diff.relative", "true"),
        ("color.ui", "always"),
        ("diff.renames", "copies"),
    ],
)
def test_the_users_configuration_changes_nothing(repository, setting):
    commit = repository.commit("one", {"train.py": TEXT})
    repository.git("config", *setting)
    repository.write("train.py", TEXT.replace("line = 7\n", "-- a\n++ b\n"))
    assert changed_lines(repository.root, commit) == ("train.py:7-8",)


def test_unusual_names_are_told(repository):
    commit = repository.commit("one", {"größe 1.py": TEXT})
    repository.write("größe 1.py", TEXT.replace("line = 2\n", "line = 22\n"))
    assert changed_lines(repository.root, commit) == ("größe 1.py:2",)


def test_lines_are_named_from_a_folder_inside_as_from_the_top(repository):
    commit = repository.commit("one", {"lib/model.py": TEXT, "train.py": TEXT})
    repository.write("train.py", "")
    repository.write("lib/model.py", "")
    assert len(changed_lines(repository.root / "lib", commit)) == 2


def test_a_commit_that_is_not_there_is_an_error(repository):
    repository.commit("one", {"train.py": TEXT})
    with pytest.raises(GitError):
        changed_lines(repository.root, "0" * 40)


def test_the_last_commit_of_a_file_is_the_last_that_changed_it(repository):
    first = repository.commit("one", {"detaudit.lock": "a"})
    repository.commit("two", {"train.py": TEXT})
    assert last_commit(repository.root / "detaudit.lock") == first


def test_a_file_that_was_changed_since_or_is_new_has_no_commit(repository):
    repository.commit("one", {"detaudit.lock": "a"})
    repository.write("detaudit.lock", "b")
    repository.write("new.lock", "b")
    assert last_commit(repository.root / "detaudit.lock") is None
    assert last_commit(repository.root / "new.lock") is None


def test_outside_of_git_and_without_git_there_is_no_commit(tmp_path, monkeypatch, repository):
    (tmp_path / "detaudit.lock").write_text("a")
    assert last_commit(tmp_path / "detaudit.lock") is None
    repository.commit("one", {"detaudit.lock": "a"})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert last_commit(repository.root / "detaudit.lock") is None


def test_a_shallow_clone_is_told_from_a_whole_one(repository, tmp_path):
    repository.commit("one", {"detaudit.lock": "a"})
    repository.commit("two", {"detaudit.lock": "b"})
    repository.git("clone", "--quiet", "--depth", "1", repository.root.as_uri(), str(tmp_path / "clone"))
    clone = repositories.Repository(tmp_path / "clone")
    assert is_shallow(clone.root / "detaudit.lock")
    assert not is_shallow(repository.root / "detaudit.lock")
