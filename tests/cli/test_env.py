"""`detaudit env`: what matters for reproducibility here."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """An environment to be shown."""
    module = ModuleType("detaudit.record.environment")
    flags = {"deterministic": False, "threads": 2}
    module.environment = lambda: {
        "torch": "2.13.0",
        "flags": flags,
        "gpus": [],
        "seed": None,
        "odd": "a\x1bb",
    }
    monkeypatch.setitem(sys.modules, "detaudit.record.environment", module)


def test_it_is_readable(command):
    code, out, err = command("env")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "torch  2.13.0",
        "flags",
        "  deterministic  no",
        "  threads        2",
        "gpus   -",
        "seed   -",
        "odd    a\\x1bb",
    ]


def test_it_is_json_if_asked(command):
    code, out, _ = command("env", "--json", "-")
    assert code == 0
    assert json.loads(out)["flags"] == {"deterministic": False, "threads": 2}


def test_json_to_a_file_and_text(command, tmp_path):
    assert command("env", "--json", "e.json")[1].startswith("torch")
    assert json.loads((tmp_path / "e.json").read_text())["torch"] == "2.13.0"
