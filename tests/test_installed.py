"""What a built package brings along, whether it is installed as a copy or as a path to its source."""

from __future__ import annotations

import zipfile

import pytest
from hatchling.build import build_editable, build_wheel

from tests.environments import LINE, ROOT


@pytest.mark.parametrize("build", [build_wheel, build_editable])
def test_python_finds_the_line_that_records_in_every_kind_of_installation(build, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build(str(tmp_path))) as wheel:
        assert wheel.read(LINE.name) == LINE.read_bytes()
        # Python reads such files by name: what makes detaudit importable comes first.
        others = [name for name in wheel.namelist() if name.endswith(".pth") and "/" not in name]
        assert max(others) == LINE.name


def test_the_line_is_one_and_imports_nothing_of_detaudit_where_nothing_is_asked_for():
    (line,) = LINE.read_text().splitlines()
    assert line.startswith("import os; ")
    assert "detaudit.run.from_outside" in line
