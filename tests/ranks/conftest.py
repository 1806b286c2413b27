"""Fixtures that run distributed programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from detaudit.diagnose.audit import audit
from detaudit.diagnose.options import AuditOptions
from detaudit.model.plan import TargetRef
from detaudit.run.progress import Silence
from tests.ranks.programs import program


@pytest.fixture
def check(tmp_path, monkeypatch, forked):  # noqa: ARG001 - the runs are forked
    """Audit a program whose ranks call a function `train(rank, world)`, given by its source."""
    monkeypatch.chdir(tmp_path)

    def checked(train, world=2, **options):
        Path("program.py").write_text(program(train, world))
        return audit(TargetRef("program.py"), AuditOptions(**options), Silence())

    return checked


@pytest.fixture
def recorded(record, forked):  # noqa: ARG001 - as above
    """Record such a program, and give its trace."""

    def made(train, world=2, **options):
        return record(program(train, world), **options)

    return made
