"""The programs of the zoo say what they are, and the lines that they name are the lines at fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.programs import Program, load_programs

HERE = Path(__file__).parent
ZOO = load_programs(HERE / "zoo")


def test_every_program_of_the_zoo_says_what_an_audit_must_find():
    assert {program.path for program in ZOO} == set((HERE / "zoo").glob("*.py"))
    assert {program.verdict for program in ZOO} == {"reproducible", "not-reproducible", "unverified"}


@pytest.mark.parametrize("program", [p for p in ZOO if p.lines], ids=lambda p: p.identity)
def test_the_line_that_a_header_names_carries_the_mark_of_the_fault(program: Program):
    source = program.path.read_text().splitlines()
    assert [number for number, line in enumerate(source, 1) if line.endswith("# fault")] == list(
        program.lines
    )


def test_a_listing_gives_all_answers_that_are_right(tmp_path: Path):
    guilty = {"line": 5, "phase": "eval", "module": "drop", "also_acceptable_phases": ["data"]}
    faulty = {"id": "c1", "file": "a.py", "reproducible": False, "flaky_rate": 0.8, "guilty": guilty}
    clean = {"id": "c2", "file": "b.py", "reproducible": True, "flaky_rate": 0.0, "guilty": None}
    (tmp_path / "cases.json").write_text(json.dumps({"cases": [faulty, clean]}))
    first, second = load_programs(tmp_path)
    assert (first.phases, first.modules, first.lines, first.flaky) == (
        ("eval", "data"),
        ("drop",),
        (5,),
        True,
    )
    assert (second.verdict, second.phases, second.lines) == ("reproducible", (), ())
