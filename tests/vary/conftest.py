"""An audit along axes, as the command line makes it."""

from __future__ import annotations

import textwrap

import pytest

from detaudit.model.axes import ARITHMETIC_VARIABLES, CAPABILITY, COMPILE, ENVIRONMENT, HASH_SEED, THREADS
from detaudit.model.plan import TargetRef
from detaudit.options import Settings
from detaudit.run.progress import Silence
from detaudit.vary.audit import audit_vary
from tests.forked import STARTS_RUNS

SETTLED_WHEN_LOADED = {HASH_SEED, THREADS, CAPABILITY, COMPILE}
SETTLED_WHEN_LOADED |= {ENVIRONMENT + name for name in ARITHMETIC_VARIABLES}
"""Axes that an interpreter or torch reads once: along these, only fresh processes differ."""


@pytest.fixture
def vary(tmp_path, monkeypatch, request):
    """Audit a program along axes, and give the result.

    In fresh processes where an axis needs them, in forked ones otherwise.
    """
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "program.py"

    def audited(program, *axes, **settings):
        path.write_text(textwrap.dedent(program))
        asked = Settings(vary=axes, **settings)
        with monkeypatch.context() as patched:
            if SETTLED_WHEN_LOADED.isdisjoint(axis.partition("=")[0] for axis in axes):
                origin = request.getfixturevalue("origin")
                patched.setattr(STARTS_RUNS, origin.in_place_of_subprocess())
            return audit_vary(TargetRef(str(path)), asked, Silence())

    return audited
