"""An audit along axes, as the command line makes it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from detaudit.model.plan import TargetRef
from detaudit.options import Settings
from detaudit.run.progress import Silence
from detaudit.vary.audit import audit_vary


@pytest.fixture
def vary(tmp_path, monkeypatch):
    """Audit a program (its source, or a path) along axes, and give the result."""
    monkeypatch.chdir(tmp_path)

    def audited(program, *axes, args=(), **settings):
        path = program
        if not isinstance(program, Path):
            path = tmp_path / "program.py"
            path.write_text(textwrap.dedent(program))
        settings = Settings(vary=axes, **settings)
        return audit_vary(TargetRef(str(path), args=tuple(args)), settings, Silence())

    return audited
