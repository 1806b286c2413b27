"""What the benchmark counts as right and as wrong, on answers made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.scoring import Answer, Claim, Times, answer_from, lines_of_statements
from tests.benchmarks.table import row, summary
from tests.programs import Fault, Program

SOURCE = """\
import random
order = sorted(
    names,
    key=random.random,
)
for word in (
    set(order)
):
    if word:
        learn(word)
    else:
        skip(word)
"""


@pytest.fixture
def one_fault(tmp_path: Path) -> Program:
    path = tmp_path / "program.py"
    path.write_text(SOURCE)
    return Program(
        "program", path, "not-reproducible", lines=(4,), causes=("unseeded-python", "rng-drift"), family="rng"
    )


@pytest.fixture
def two_faults(one_fault: Program) -> Program:
    also = (Fault(("hash-order",), (7,)),)
    return Program(
        "both",
        one_fault.path,
        "not-reproducible",
        lines=(4,),
        causes=("unseeded-python",),
        also=also,
        family="two",
    )


def clean(path: Path = Path("clean.py")) -> Program:
    return Program("clean", path, "reproducible", family="clean")


def claim(cause: str | None, line: int | None, *, confirmed: bool = True) -> Claim:
    return Claim(cause, line, phase="data", module=None, confirmed=confirmed)


def answer(
    program: Program,
    *claims: Claim,
    verdict: str | None = None,
    extra_runs: int = 3,
    plain: float | None = None,
) -> Answer:
    return Answer(program, verdict or program.verdict, claims, extra_runs, Times(8.0, plain))


@pytest.mark.parametrize("cause", ["unseeded-python", "rng-drift"])
def test_each_acceptable_cause_is_right(one_fault: Program, cause: str):
    assert answer(one_fault, claim(cause, 4)).wrong == ()


@pytest.mark.parametrize("cause", ["hash-order", None])
def test_another_cause_and_none_are_wrong(one_fault: Program, cause: str | None):
    assert answer(one_fault, claim(cause, 4)).wrong == ("cause", "faults")


def test_a_finding_too_many_with_another_cause_is_wrong(one_fault: Program):
    claims = claim("unseeded-python", 4), claim("wall-clock", 7)
    assert answer(one_fault, *claims).wrong == ("cause",)


def test_a_fault_without_a_finding_is_wrong_in_all_parts(one_fault: Program):
    assert answer(one_fault, verdict="reproducible").wrong == ("verdict", "cause", "line", "faults")


def test_another_line_of_the_same_statement_is_right_and_one_of_the_next_is_wrong(one_fault: Program):
    assert answer(one_fault, claim("rng-drift", 2)).line_right
    assert answer(one_fault, claim("rng-drift", 6)).wrong == ("line",)
    assert answer(one_fault, claim("rng-drift", None)).wrong == ("line",)


def test_a_missing_second_fault_is_found_missing(two_faults: Program):
    half = answer(two_faults, claim("unseeded-python", 4))
    assert (half.found, half.cause_right, half.wrong) == (1, True, ("line", "faults"))


def test_one_finding_does_not_stand_for_two_faults_nor_two_findings_of_one_cause(two_faults: Program):
    twice = answer(two_faults, claim("hash-order", 7), claim("hash-order", 4))
    assert (twice.found, twice.wrong) == (1, ("faults",))


def test_the_order_of_the_findings_does_not_matter(two_faults: Program):
    assert answer(two_faults, claim("hash-order", 6), claim("unseeded-python", 5)).wrong == ()


def test_right_causes_on_each_others_lines_are_wrong(two_faults: Program):
    swapped = answer(two_faults, claim("hash-order", 4), claim("unseeded-python", 7))
    assert (swapped.found, swapped.wrong) == (2, ("line",))


def test_a_finding_about_a_clean_program_is_a_false_alarm():
    alarm = answer(clean(), claim("hash-order", 1), verdict="not-reproducible")
    assert (alarm.false_alarm, alarm.wrong) == (True, ("verdict",))
    assert answer(clean()).wrong == ()


def test_where_no_cause_and_no_line_are_stated_none_is_asked_for(one_fault: Program):
    program = Program("zoo", one_fault.path, "not-reproducible")
    assert answer(program, claim(None, None)).wrong == ()
    assert answer(program, verdict="unverified").wrong == ("verdict", "cause", "faults")


def test_of_a_block_the_head_is_right_and_the_body_is_not():
    assert lines_of_statements(SOURCE, (6,)) == {6, 7, 8}
    assert lines_of_statements(SOURCE, (9,)) == {9}
    assert lines_of_statements(SOURCE, (11,)) == {11}
    assert lines_of_statements("match a:\n    case 1:\n        b = 2\n", (1,)) == {1}


def test_an_answer_is_read_from_the_result(one_fault: Program):
    finding = {
        "cause": "rng-drift",
        "confirmed": True,
        "site": {"line": 4},
        "origin": {"phase": "data", "module": None},
        "evidence": [],
    }
    result = {"verdict": "not-reproducible", "findings": [finding], "extra_runs": 5}
    read = answer_from(one_fault, result, Times(2.5))
    assert read == Answer(one_fault, "not-reproducible", (claim("rng-drift", 4),), 5, Times(2.5))
    bare = {"site": None, "cause": None, "confirmed": False}
    assert answer_from(one_fault, result | {"findings": [bare]}, Times(1.0)).claims[0].line is None


def test_a_row_says_what_is_wrong(one_fault: Program, two_faults: Program):
    assert row(answer(one_fault, claim("rng-drift", 5))).endswith(" OK")
    wrong = row(answer(two_faults, claim("wall-clock", 9, confirmed=False)))
    assert wrong.endswith("WRONG cause, line, faults")
    assert "wall-clock / unseeded-python + hash-order" in wrong
    assert "9 / 4+7" in wrong
    assert "0 / 2" in wrong


def test_the_summary_counts_by_family_and_in_all(one_fault: Program, two_faults: Program):
    answers = [
        answer(one_fault, claim("rng-drift", 4), extra_runs=4, plain=2.0),
        answer(one_fault, claim("wall-clock", 4, confirmed=False), extra_runs=9, plain=4.0),
        answer(two_faults, claim("unseeded-python", 4), extra_runs=30),
        answer(clean(), extra_runs=0),
        answer(clean(), claim(None, None, confirmed=False), verdict="not-reproducible", extra_runs=3),
    ]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in summary(answers, markdown=True).split("\n")
    ]
    assert cells[2:] == [
        ["rng", "2", "2 / 2", "-", "1 / 2", "2 / 2", "1 / 2", "1 / 2", "6.5", "-", "8", "3", "3.8"],
        ["two", "1", "1 / 1", "-", "1 / 1", "0 / 1", "0 / 1", "1 / 1", "-", "-", "8", "-", "-"],
        ["clean", "2", "1 / 2", "1 / 2", "-", "-", "-", "0 / 1", "-", "1.5", "8", "-", "-"],
        ["all", "5", "4 / 5", "1 / 2", "2 / 3", "2 / 3", "1 / 3", "2 / 4", "6.5", "1.5", "8", "3", "3.8"],
    ]
    assert summary(answers).splitlines()[-1].split() == " ".join(cells[-1]).split()
