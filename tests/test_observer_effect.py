"""Being recorded changes no program of the zoo: bits, lines printed and exit status stay as they are.

Each program is recorded at `op`, which looks hardest, and at one of the other levels in turn, to be quick;
`python -m tests.benchmarks.observer tests/zoo` does all three.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.observer import expect, observe
from tests.programs import Program, load_programs

HERE = Path(__file__).parent
PROGRAMS = [p for p in [*load_programs(HERE / "zoo"), *load_programs(HERE / "real")] if p.observable]


@pytest.mark.parametrize(
    ("program", "other"),
    [pytest.param(p, ("step", "layer")[number % 2], id=p.identity) for number, p in enumerate(PROGRAMS)],
)
def test_a_recorded_program_ends_as_it_does_when_nobody_looks(program: Program, other: str):
    expected = expect(program)
    changes = {level: observe(program, level, expected).differences for level in ("op", other)}
    assert changes == {"op": (), other: ()}
