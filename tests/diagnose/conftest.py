"""Fixtures for whole audits: their runs are forked from one process that has torch loaded."""

from __future__ import annotations

import pytest

from tests.vary.conftest import STARTS_RUNS
from tests.vary.forked import Origin


@pytest.fixture(scope="session")
def origin():
    """The process that has torch loaded, from which runs are forked."""
    process = Origin()
    yield process
    process.end()


@pytest.fixture
def forked(origin, monkeypatch):
    """Fork the runs of a test from a process that has torch loaded."""
    monkeypatch.setattr(STARTS_RUNS, origin.in_place_of_subprocess())
