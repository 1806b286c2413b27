"""Two runs of a function in this process, of which the second takes values of the first."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import torch

from detaudit.model.plan import Exchange, Part
from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.recorder import StopAfterSteps
from detaudit.record.session import Session
from detaudit.replay.wire.files import ANSWERS, KEPT, Note, RecordFile, read_records
from detaudit.replay.wire.operators import CallAnswer, KeptOperator, OnlyHere
from detaudit.run.listeners import listeners_of
from tests.replay.operator_runs import Answers


def read(path):
    """Return the records of all kinds in a file."""
    return [one for kind in (Note, KeptOperator, CallAnswer, OnlyHere) for one in read_records(path, kind)]


@pytest.fixture
def exchanged(tmp_path):
    """Run a function twice; the second run takes the values of a step of the first.

    `alone`: every operator is called again alone, as if the program's own had been given other values.
    """
    threads = torch.get_num_threads()

    def recorded(function, part, step):
        folder = tmp_path / part.value
        folder.mkdir(parents=True, exist_ok=True)
        exchange = Exchange(tmp_path / "values", part, step)
        window = (step, step + 1)
        session = Session(
            str(folder), Level.OP, "a test", {}, step + 1, window, is_main=True, values=exchange
        )
        torch.manual_seed(0)
        with recording(session, listeners_of(session)) as recorder, contextlib.suppress(StopAfterSteps):
            function()
        return list(recorder.problems)

    def run(first, second=None, *, step=0, alone=False):
        problems = recorded(first, Part.KEEPS, step)
        kept = read(tmp_path / "values" / KEPT)
        if alone:
            (tmp_path / "values" / KEPT).unlink()
            lines = RecordFile(tmp_path / "values" / KEPT)
            for line in kept:
                lines.add(replace(line, inputs="others") if isinstance(line, KeptOperator) else line)
        problems += recorded(second or first, Part.TAKES, step)
        return Answers(kept, read(tmp_path / "takes" / ANSWERS), problems)

    yield run
    torch.set_num_threads(threads)
