"""Files that reports go to."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from detaudit.errors import OutputError, UsageError
from detaudit.report.json_ import render_one
from detaudit.report.output import check_destinations, write
from tests.results import equal


def test_a_result_is_written_as_json(tmp_path):
    write(render_one(equal()), str(tmp_path / "r.json"))
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "reproducible"


def test_dash_is_standard_output(capsys):
    write(render_one(equal()), "-")
    assert json.loads(capsys.readouterr().out)["schema"] == "detaudit.result/1"


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("a much longer text that was there before")
    write("new\n", str(path))
    assert path.read_text() == "new\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.txt"]


def test_a_new_file_is_an_ordinary_one(tmp_path):
    before = os.umask(0o027)
    try:
        write("x", str(tmp_path / "r.txt"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "r.txt").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write("new", str(tmp_path / "link.txt"))
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_device_is_written_to():
    write("x", os.devnull)
    assert not Path(os.devnull).is_file()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write("half of it \udcff", str(path))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.txt"]


def test_a_full_disk_is_told():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError) as caught:
        write("x" * 100_000, "/dev/full")
    assert "No space left" in caught.value.message


@pytest.mark.parametrize("name", ["", "none/r.json", "file/r.json"])
def test_what_cannot_be_written_is_told_before_the_work(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        check_destinations([str(tmp_path / name)])
    assert caught.value.slug == "output-unwritable"
    assert caught.value.hint
    with pytest.raises(OutputError):
        write("x", str(tmp_path / name))


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        check_destinations([str(tmp_path / "r.json")])


def test_two_reports_on_standard_output_are_refused():
    with pytest.raises(UsageError):
        check_destinations(["-", "-"])
    check_destinations(["-", None])
