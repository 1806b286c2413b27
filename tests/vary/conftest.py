"""An audit along axes, as the command line makes it."""

from __future__ import annotations

import textwrap

import pytest

from detaudit.axes.variable import ARITHMETIC_VARIABLES, PREFIX
from detaudit.config import Settings, vary_options
from detaudit.model.plan import TargetRef
from detaudit.run.progress import Silence
from detaudit.targets.find import find_target
from detaudit.vary.audit import audit_along_axes
from detaudit.vary.axis_syntax import read_options
from tests.forked import STARTS_RUNS

SETTLED_WHEN_LOADED = {"hash-seed", "threads", "cpu-capability", "compile"}
SETTLED_WHEN_LOADED |= {PREFIX + name for name in ARITHMETIC_VARIABLES}
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
        options = vary_options(Settings(**settings), read_options(axes))
        with monkeypatch.context() as patched:
            if SETTLED_WHEN_LOADED.isdisjoint(axis.partition("=")[0] for axis in axes):
                origin = request.getfixturevalue("origin")
                patched.setattr(STARTS_RUNS, origin.in_place_of_subprocess())
            return audit_along_axes(find_target(TargetRef(str(path))), options, Silence())

    return audited
