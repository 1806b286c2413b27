"""Fixtures for the tests of the comparison."""

from __future__ import annotations

import pytest

from detaudit.compare import compare
from detaudit.trace.reader import TraceReader
from tests.traces import TraceBuilder


@pytest.fixture
def runs(tmp_path):
    """Two empty traces to be filled."""
    return TraceBuilder(tmp_path / "1.trace"), TraceBuilder(tmp_path / "2.trace")


@pytest.fixture
def compared():
    """Close two traces and compare them."""

    def close_and_compare(first, second, **names):
        with TraceReader(first.close()) as one, TraceReader(second.close()) as other:
            return compare(one, other, **names)

    return close_and_compare
