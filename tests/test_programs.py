"""The programs of the zoo say what they are, and the lines that they name are the lines at fault."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.programs import Fault, Program, load_programs

HERE = Path(__file__).parent
ZOO = load_programs(HERE / "zoo")
CAUSES = load_programs(HERE / "zoo" / "causes")
LABELS = {
    "unseeded-python",
    "unseeded-numpy",
    "unseeded-torch",
    "unseeded-library",
    "os-entropy",
    "seed-order",
    "rng-drift",
    "worker-seeding",
    "worker-order",
    "completion-order",
    "hash-order",
    "fs-order",
    "address-order",
    "wall-clock",
    "env-dependence",
    "cached-state",
    "nondeterministic-op",
    "uninitialized-memory",
    "thread-race",
}
"""The causes by which two plain runs can differ."""


def test_every_program_of_the_zoo_says_what_an_audit_must_find():
    assert {program.path for program in ZOO} == set((HERE / "zoo").glob("*.py"))
    assert {program.verdict for program in ZOO} == {"reproducible", "not-reproducible", "unverified"}


def test_every_program_about_causes_says_what_an_audit_must_find():
    assert {program.path for program in CAUSES} == set((HERE / "zoo" / "causes").glob("*.py"))
    single = [program for program in CAUSES if len(program.faults) == 1]
    assert all(program.family in program.causes for program in single)
    assert {program.family for program in single} == LABELS
    assert min(Counter(program.family for program in single).values()) >= 2


def test_several_faults_of_one_program_are_of_different_kinds():
    counts = Counter(len(program.faults) for program in CAUSES)
    assert counts[2] >= 8
    assert counts[3] >= 3
    for program in CAUSES:
        labels = {fault.causes[0] for fault in program.faults}
        assert len(labels) == len(program.faults)
        assert {cause for fault in program.faults for cause in fault.causes} <= LABELS
        assert program.family == {2: "two", 3: "three"}.get(len(labels), program.family)


@pytest.mark.parametrize("program", [p for p in [*ZOO, *CAUSES] if p.lines], ids=lambda p: p.identity)
def test_the_lines_that_a_header_names_carry_the_marks_of_the_faults(program: Program):
    source = program.path.read_text().splitlines()
    marked = {number for number, line in enumerate(source, 1) if line.endswith("# fault")}
    assert marked == {fault.lines[0] for fault in program.faults}
    others = [source[line - 1].strip() for fault in program.faults for line in fault.lines]
    assert all(line and not line.startswith("#") for line in others)


def test_a_listing_gives_all_answers_that_are_right(tmp_path: Path):
    guilty = {"line": 5, "phase": "eval", "module": "drop", "also_acceptable_phases": ["data"]}
    faulty = {"id": "c1", "file": "a.py", "reproducible": False, "flaky_rate": 0.8, "guilty": guilty}
    faulty |= {"cause": "rng-drift", "also_acceptable_causes": ["wall-clock"], "family": "structure"}
    clean = {"id": "c2", "file": "b.py", "reproducible": True, "flaky_rate": 0.0, "guilty": None}
    (tmp_path / "cases.json").write_text(json.dumps({"cases": [faulty, clean]}))
    first, second = load_programs(tmp_path)
    assert (first.phases, first.modules, first.lines, first.flaky) == (
        ("eval", "data"),
        ("drop",),
        (5,),
        True,
    )
    assert (first.causes, first.family, first.shared) == (("rng-drift", "wall-clock"), "structure", False)
    assert (second.verdict, second.phases, second.lines) == ("reproducible", (), ())
    assert (second.causes, second.faults, second.family) == ((), (), "")


def test_a_fault_that_plain_runs_do_not_have_is_none(tmp_path: Path):
    case = {"id": "c1", "file": "a.py", "reproducible": True, "flaky_rate": 0.0, "protocol": "resume"}
    case |= {"cause": "resume-state", "guilty": {"line": 5, "phase": "resume", "module": None}}
    shared = case | {
        "id": "c2",
        "reproducible": False,
        "protocol": "plain-shared-cwd",
        "cause": "cached-state",
    }
    (tmp_path / "cases.json").write_text(json.dumps({"cases": [case, shared]}))
    resumed, cached = load_programs(tmp_path)
    assert (resumed.verdict, resumed.faults, resumed.shared) == ("reproducible", (), False)
    assert (cached.faults, cached.shared) == ((Fault(("cached-state",), (5,)),), True)


def test_a_header_gives_each_fault_with_its_causes_and_lines(tmp_path: Path):
    head = [
        "# expect: not-reproducible cause=fs-order|completion-order phase=data module=None line=9|7",
        "# also: cause=wall-clock line=12",
        "# also: cause=hash-order|address-order line=13|14",
        "# shared: true",
    ]
    (tmp_path / "three_of_them.py").write_text("\n".join(head))
    (tmp_path / "plain.py").write_text("# expect: reproducible")
    plain, three = load_programs(tmp_path)
    assert three.faults == (
        Fault(("fs-order", "completion-order"), (9, 7)),
        Fault(("wall-clock",), (12,)),
        Fault(("hash-order", "address-order"), (13, 14)),
    )
    assert (three.family, three.shared) == ("three", True)
    assert (plain.family, plain.faults, plain.shared) == ("clean", (), False)
