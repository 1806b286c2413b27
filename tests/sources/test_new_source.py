"""A source of nondeterminism is added by adding a file, and its page by another: nothing else has to know."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import detaudit

SOURCE = '''
"""Processor time, as `os.times` tells it."""

import os

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.observation import naming
from detaudit.sources.source import Source
from detaudit.sources.source import Suspicion
from detaudit.sources.taps import Asked

NAME = "processor-times"


def _tap(taps):
    def read(original):
        value = original()
        if taps.holds(NAME, taps.lines.here()):
            value = type(value)((1.0, 1.0, 1.0, 1.0, 1.0))
        taps.note(NAME, "os.times", tuple(value), Fact(Act.READS))
        return value

    taps.function(os, "times", read, asked_by=Asked.PROGRAM)


SOURCE = Source(
    name=NAME,
    words="the processor time that was used",
    causes=(Cause.ENV_DEPENDENCE,),
    tap=_tap,
    suspicion=Suspicion(60),
    name_fault=naming(Cause.ENV_DEPENDENCE, "{entry.operation} matters", {"os.times": "leave it"}),
)
'''
PROGRAM = """
import os
import torch

torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scale = os.times().elapsed % 1000
for _ in range(2):
    optimizer.zero_grad()
    model(torch.ones(4, 2) * scale).sum().backward()
    optimizer.step()
"""


PAGE = """
# processor-times

The processor time that a run has used reaches the numbers.

## What it is

A program reads it.
"""


def with_file(folder, text):
    """Copy the package and add one file to its sources, and a page; give the folder to import it from."""
    package = Path(detaudit.__file__).parent
    shutil.copytree(package, folder / "detaudit", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "detaudit" / "sources" / "processor_times.py").write_text(text)
    (folder / "detaudit" / "pages" / "processor-times.md").write_text(PAGE.lstrip())
    return folder


@pytest.mark.slow
def test_a_file_in_sources_is_observed_suspected_held_named_and_mended(tmp_path):
    (tmp_path / "train.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(with_file(tmp_path, SOURCE))}
    command = [sys.executable, "-m", "detaudit", "check", "train.py", "--json", "result.json"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    (finding,) = json.loads((tmp_path / "result.json").read_text())["findings"]
    assert finding["confirmed"]
    assert (finding["cause"], finding["symbol"], finding["site"]["line"]) == ("env-dependence", "os.times", 8)
    assert finding["evidence"][0]["control"] == "processor-times"
    assert finding["fix"] == "leave it"


def test_a_page_in_pages_is_listed_and_shown(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(with_file(tmp_path, SOURCE))}
    for name, shown in (("processor-times", "A program reads it."), (None, "processor-times  ")):
        command = [sys.executable, "-m", "detaudit", "explain", *([name] if name else [])]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert shown in done.stdout


def test_without_that_file_the_source_does_not_exist():
    from detaudit.sources.catalogue import BY_NAME

    assert "processor-times" not in BY_NAME
