"""`detaudit.assert_matches_lock`, and what becomes of the lock over several sessions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detaudit.reference.lock_file import read_lock, text_of
from tests.plugin.sessions import files, session

TESTS = """
    import os

    from training import train

    RATE = float(os.environ.get("RATE", "0.1"))


    def test_one(detaudit):
        assert "FAIL" not in os.environ
        tolerance = float(os.environ.get("TOLERANCE", "0")) or None
        detaudit.assert_matches_lock(train, lr=RATE, tolerance=tolerance)


    def test_two(detaudit):
        if "LEAVE" not in os.environ:
            detaudit.assert_matches_lock(lambda: train(steps=1), name="short")
"""

NEW = """
    from training import train


    def test_new(detaudit):
        detaudit.assert_matches_lock(train)


    def test_noisy(detaudit):
        detaudit.assert_matches_lock(train, noise=True)
"""

ONE, TWO = "test_it.py::test_one", "test_it.py::test_two::short"


def names(ended):
    return [block.target.name for block in read_lock(ended.folder / "detaudit.lock").blocks]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return files(tmp_path_factory.mktemp("lock"), test_it=TESTS)


@pytest.fixture(scope="module")
def first(folder):
    return session(folder, "-p", "xdist.plugin", "-n", "2")


@pytest.fixture(scope="module")
def written(first):
    return first.text("detaudit.lock")


@pytest.fixture
def restored(folder, written):
    """The folder with the lock as the first session wrote it."""
    (folder / "detaudit.lock").write_text(written)
    return folder


def test_what_is_new_is_written_once_at_the_end_by_whatever_worker(first):
    assert first.code == 0, first.output
    assert names(first) == [ONE, TWO]
    assert "detaudit.lock: 2 entries written" in first.output


def test_a_second_session_is_equal_and_writes_nothing(restored, written):
    ended = session(restored)
    assert ended.code == 0, ended.output
    assert "written" not in ended.output
    assert ended.text("detaudit.lock") == written


@pytest.fixture(scope="module")
def changed(folder, written):
    (folder / "detaudit.lock").write_text(written)
    return session(folder, "-k", "one", RATE="0.2")


def test_another_learning_rate_fails_with_step_phase_and_layer(changed, written):
    assert changed.outcomes() == {"test_one": "FAILED"}
    told = " ".join(changed.about("test_one").split())
    assert "step 0, optimizer" in told or "step 1" in told
    assert "Linear" in told
    assert changed.text("detaudit.lock") == written


def test_a_change_that_is_meant_has_its_command(changed):
    assert "pytest test_it.py::test_one --detaudit-update" in " ".join(changed.about("test_one").split())


def test_a_session_of_some_tests_says_nothing_of_the_others(changed):
    assert "no test uses it" not in changed.output


def test_what_a_passed_test_does_not_use_any_more_fails_the_session(restored, written):
    ended = session(restored, "-k", "two", LEAVE="1")
    assert ended.code == 0, "no lock was used, so none is looked at"
    ended = session(restored, LEAVE="1")
    assert ended.code == 1
    assert set(ended.outcomes().values()) == {"PASSED"}
    assert f"detaudit.lock: {TWO}: no test uses it; --detaudit-update removes it" in ended.output
    assert ended.text("detaudit.lock") == written


def test_an_update_renews_what_differs_and_removes_what_nothing_uses(restored, written):
    ended = session(restored, "--detaudit-update", LEAVE="1", RATE="0.2", CI="1")
    assert ended.code == 0, ended.output
    assert names(ended) == [ONE]
    assert f"detaudit.lock: {TWO}: removed" in ended.output
    assert ended.text("detaudit.lock") not in written


def test_a_test_that_failed_before_it_came_to_its_lock_keeps_it(restored, written):
    ended = session(restored, "--detaudit-update", "-k", "one", FAIL="1")
    assert ended.outcomes() == {"test_one": "FAILED"}
    assert ended.text("detaudit.lock") == written


def test_without_a_terminal_nothing_is_taken_for_unused(restored):
    lock = read_lock(restored / "detaudit.lock")
    session(restored, "--detaudit-update", "-p", "no:terminal", "-r", "A", FAIL="1", LEAVE="1")
    assert read_lock(restored / "detaudit.lock") == lock


def test_with_ci_set_nothing_is_created(tmp_path):
    ended = session(files(tmp_path, test_it=NEW), "-k", "new", CI="true")
    told = ended.about("test_new")
    assert "[lock-without-target]" in told
    assert ">       detaudit.assert_matches_lock(train)" in told
    assert not (tmp_path / "detaudit.lock").exists()


def test_what_does_not_repeat_itself_is_not_locked(tmp_path):
    ended = session(files(tmp_path, test_it=NEW), "-k", "noisy")
    assert "its two runs differ" in ended.about("test_noisy")
    assert not (tmp_path / "detaudit.lock").exists()


@pytest.mark.parametrize("damage", ["<<<<<<< HEAD\n", "nonsense\n"])
def test_a_damaged_lock_is_an_error_at_the_line_of_the_test(restored, written, damage):
    damaged = written + damage
    (restored / "detaudit.lock").write_text(damaged)
    ended = session(restored, "-k", "one")
    told = ended.about("test_one")
    assert ">       detaudit.assert_matches_lock(" in told
    assert f"detaudit.lock:{len(damaged.splitlines())}" in told
    assert ended.text("detaudit.lock") == damaged


def test_a_damaged_lock_is_not_written_anew_but_deleted_by_its_owner(restored, written):
    (restored / "detaudit.lock").write_text(written + "nonsense\n")
    ended = session(restored, "--detaudit-update", "-k", "two", LEAVE="1")
    assert ended.code == 4
    assert "[lock-damaged]" in ended.output
    assert "1 passed" in ended.output
    assert ended.text("detaudit.lock") == written + "nonsense\n"


@pytest.fixture
def elsewhere(restored):
    """The lock as another machine would have written it."""
    path = restored / "detaudit.lock"
    lock = read_lock(path)
    blocks = [replace(block, environment={**block.environment, "torch": "1.0"}) for block in lock.blocks]
    path.write_text(text_of(replace(lock, blocks=tuple(blocks))))
    return restored


def test_a_lock_of_another_environment_is_not_comparable(elsewhere):
    ended = session(elsewhere, "-k", "one")
    told = ended.about("test_one")
    assert ended.code == 1
    assert "unverified" in told
    assert "1.0" in told


def test_with_a_tolerance_a_lock_of_another_environment_is_held(elsewhere):
    ended = session(elsewhere, "-k", "one", TOLERANCE="1e-5")
    assert ended.code == 0, ended.output
