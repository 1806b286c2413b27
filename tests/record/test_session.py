"""The session file: what the launching process writes is what an audited process reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from detaudit.model.plan import Capture, Exchange, Intervention, Part
from detaudit.model.trace import Level
from detaudit.record.session import Session, load_session, save_session

SESSION = Session(
    folder="runs/run1-op",
    level=Level.OP,
    target="train.py",
    conditions={"level": "op", "seed": None, "steps": 3, "threads": "2"},
    steps=3,
    window=(1, 2),
    is_main=True,
    held=(Intervention("clock", ("00ff",), "10"),),
    perturbed=(Intervention("addresses"),),
    capture=Capture(1, "aten.index_put_", 2),
    sketches=True,
    axes=(("threads", "2"),),
    values=Exchange(Path("/kept/values"), Part.KEEPS, 1, replays=False),
    draws=Exchange(Path("/kept/draws"), Part.TAKES),
    on_request=True,
    program="/site-packages/pkg",
)


def test_the_program_itself_reads_what_was_written(tmp_path):
    save_session(SESSION, tmp_path / "session.json")
    assert load_session(str(tmp_path / "session.json"), is_main=True) == SESSION


def test_a_process_that_the_program_starts_is_neither_the_main_one_nor_the_program(tmp_path):
    save_session(SESSION, tmp_path / "session.json")
    read = load_session(str(tmp_path / "session.json"), is_main=False)
    assert read == replace(SESSION, is_main=False, program=None)
