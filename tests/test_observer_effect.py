"""Being recorded changes no program of the zoo: bits, lines printed and exit status stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.observer import LEVELS, expect, observe
from tests.programs import Program, load_programs

HERE = Path(__file__).parent
PROGRAMS = [p for p in [*load_programs(HERE / "zoo"), *load_programs(HERE / "real")] if p.observable]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.identity)
def test_a_recorded_program_ends_as_it_does_when_nobody_looks(program: Program):
    expected = expect(program)
    changes = {level: observe(program, level, expected).differences for level in LEVELS}
    assert changes == dict.fromkeys(LEVELS, ())
