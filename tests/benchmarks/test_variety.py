"""The benchmark of variety can fail: it tells recorded runs that differ less often from those that do not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.variety import CHANCE, Rate, Result, Variety, choose, less_by_chance
from tests.programs import Program

if TYPE_CHECKING:
    from pathlib import Path


def results(*values: int) -> tuple[Result, ...]:
    return tuple(Result(f"loss {value}", Counter({f"tensor {value}": 1})) for value in values)


@pytest.mark.parametrize(
    ("plain", "recorded", "chance"),
    [(Rate(10, 10), Rate(10, 10), 1.0), (Rate(0, 10), Rate(5, 10), 1.0), (Rate(1, 1), Rate(0, 1), 0.5)],
)
def test_the_chance_is_that_of_fishers_exact_test(plain: Rate, recorded: Rate, chance: float):
    assert less_by_chance(plain, recorded) == pytest.approx(chance)


def test_recorded_runs_that_repeat_themselves_more_often_are_less_various(tmp_path: Path):
    """Neighbours are compared: of a, b, a, b all differ, of a, a, b, b one does."""
    various, alike = results(*range(11)), results(0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2)
    program = Program("one", tmp_path, "unknown")

    assert Variety(program, various, alike).bits == (Rate(10, 10), Rate(2, 10))
    assert Variety(program, various, alike).chance < CHANCE
    assert Variety(program, alike, various).chance == pytest.approx(1.0)
    assert Variety(program, various, results(*[0, 1] * 5, 0)).chance == pytest.approx(1.0)


def test_programs_that_differ_by_chance_are_chosen(tmp_path: Path):
    """Where faults are stated, those of the heap and the scheduler; where none are, all programs."""
    (tmp_path / "one.py").write_text("# expect: not-reproducible cause=address-order line=3\n")
    (tmp_path / "two.py").write_text("# expect: not-reproducible cause=unseeded-numpy line=3\n")
    assert [one.identity for one in choose(tmp_path, None)] == ["one"]
    assert [one.identity for one in choose(tmp_path, "two")] == ["two"]

    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text("print(1)\n")
    assert [one.identity for one in choose(tmp_path, None)] == ["one", "two"]
