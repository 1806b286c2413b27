"""Fixtures with git repositories."""

from __future__ import annotations

import pytest

from tests.reference import repositories


@pytest.fixture(autouse=True)
def _git_as_installed(monkeypatch):
    for name, value in repositories.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty repository, which is the current folder."""
    made = repositories.make(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def place(tmp_path):
    """A folder for work trees."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder
