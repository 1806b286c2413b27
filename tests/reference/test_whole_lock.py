"""A lock without a target beside it: all that it has is held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detaudit.cli.main import main
from detaudit.diagnose.options import AuditOptions
from detaudit.errors import LockError
from detaudit.model.lock import LockedTarget
from detaudit.model.plan import TargetRef
from detaudit.model.result import Verdict
from detaudit.reference.lock_file import EMPTY, text_of
from detaudit.reference.options import LockOptions
from detaudit.reference.whole_lock import audit_whole_lock, ref_of
from detaudit.run.progress import Silence
from tests.locks import block, entry


def written(folder, *names):
    path = folder / "detaudit.lock"
    blocks = tuple(block(entry(), name=name) for name in names)
    path.write_text(text_of(replace(EMPTY, blocks=blocks)))
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train.py", TargetRef("../train.py")),
        ("models/net.py:make_model", TargetRef("../models/net.py:make_model")),
        ("-m package.train", TargetRef("package.train", module=True)),
        ("package.train:main", TargetRef("package.train:main")),
    ],
)
def test_a_target_is_found_from_whatever_folder(tmp_path, monkeypatch, name, expected):
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")

    assert ref_of(LockedTarget(name), Path("..", "detaudit.lock")) == expected


def test_arguments_go_to_the_target_that_was_locked_with_them():
    ref = ref_of(LockedTarget("-m package", ("--epochs", "2")), Path("detaudit.lock"))

    assert ref.args == ("--epochs", "2")


def test_a_target_that_is_gone_is_unverified_and_keeps_no_other_from_being_held(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "gone.py", "lost.py")

    results = audit_whole_lock(LockOptions(path, AuditOptions()), Silence())

    assert [one.target.name for one in results] == ["gone.py", "lost.py"]
    assert {one.verdict for one in results} == {Verdict.UNVERIFIED}
    assert all("no such file" in one.reason for one in results)


def test_a_lock_with_nothing_but_tests_is_for_pytest(tmp_path):
    path = written(tmp_path, "tests/test_it.py::test_one")

    with pytest.raises(LockError, match="no target that could be run by itself") as raised:
        audit_whole_lock(LockOptions(path, AuditOptions()), Silence())

    assert "pytest" in raised.value.hint


@pytest.mark.parametrize("more", [["--", "--epochs", "1"], ["--keep", "runs"]])
def test_what_is_meant_for_one_target_needs_one(tmp_path, monkeypatch, capsys, more):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "train.py")

    assert main(["check", "--lock", "detaudit.lock", *more]) == 2
    assert "usage" in capsys.readouterr().err
