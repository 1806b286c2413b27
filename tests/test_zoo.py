"""`detaudit check` on every program of the zoo: the verdict, and the phase of what is not reproducible."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.cases import audit
from tests.programs import Program, load_programs

HERE = Path(__file__).parent
PROGRAMS = [*load_programs(HERE / "zoo"), *load_programs(HERE / "real")]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.identity)
def test_an_audit_gives_the_verdict_and_the_phase_that_the_program_states(program: Program):
    # What was in memory before, and which thread came first, can agree in two runs; in five hardly.
    answer = audit(program, ["--runs", "5"] if program.flaky else [], plain=False)
    assert answer.verdict == program.verdict, answer.note
    assert answer.phase_right, (answer.phase, program.phases)
