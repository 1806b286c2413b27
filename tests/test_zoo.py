"""Every program of the zoo, audited: faults are found, and looking changes no clean program."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from detaudit.cli.answer import EXIT_CODES
from detaudit.diagnose.observer import observer_effect
from detaudit.errors import EXIT_REPRODUCIBLE, EXIT_UNVERIFIED
from detaudit.model.codec import result_from_json
from detaudit.model.result import Verdict
from detaudit.trace.reader import TraceReader
from tests.benchmarks.observer import changes, run_probed, what_both_have
from tests.benchmarks.running import detaudit_command, plain_command, run_command
from tests.programs import Program, in_one_process, load_programs

HERE = Path(__file__).parent
PROGRAMS = [*load_programs(HERE / "zoo"), *load_programs(HERE / "real")]
CLEAN = [program for program in PROGRAMS if program.verdict == "reproducible"]
FAULTY = [program for program in PROGRAMS if program.verdict == "not-reproducible"]
SUSPICIOUS = [program for program in CLEAN if program.suspicious]
ALONE = [program for program in CLEAN if program.alone]
COMPILED = [program for program in CLEAN if program.identity.startswith("compile_")]
TOGETHER = [program for program in CLEAN if program not in (*ALONE, *SUSPICIOUS, *COMPILED)]
BROKEN = [program for program in PROGRAMS if program.verdict == "unverified"]
SEEDING = "import random\nimport numpy\nrandom.seed(0)\nnumpy.random.seed(0)\n"
"""What no program draws from would still differ between any two runs, and a second plain run be needed."""
STATES = """
import random, numpy, torch
states = [random.getstate()[1], numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]
kept = [torch.tensor(state) for state in states]
"""
"""Keeps the states of the generators as tensors: the probe looks at those when the process ends."""


def record(program, level, folder):
    """Run a program under `detaudit record` with the probe; give what it left and its trace."""
    trace = Path(folder) / f"{level}.trace"
    while trace.exists():
        trace = trace.with_name(f"again-{trace.name}")
    ending = run_probed(detaudit_command("record", program, "-o", str(trace), "--level", level))
    assert trace.exists(), ending.outcome.stderr
    return ending, TraceReader(trace)


@pytest.mark.parametrize("program", ALONE, ids=lambda program: program.identity)
def test_looking_changes_nothing(program):
    """Output, exit status and final bits are as without detaudit."""
    check_that_looking_changes_nothing(program, "op")


def test_looking_changes_nothing_that_is_compiled(tmp_path):
    """The same for what `torch.compile` makes of a model."""
    check_that_looking_changes_nothing(together(tmp_path, [one.path for one in COMPILED]), "op")


def test_looking_changes_nothing_in_programs_that_share_a_process(tmp_path):
    """The same for programs that can run one after the other in one process; and the levels agree."""
    states = tmp_path / "states.py"
    states.write_text(STATES)
    # Suspicious ones come last: they may leave the generators in other states.
    paths = [*(one.path for one in TOGETHER), states, *(one.path for one in SUSPICIOUS)]
    check_that_looking_changes_nothing(together(tmp_path, paths, SEEDING), "layer", "op")


def together(folder, paths, first=""):
    """One program that runs others, one after the other: importing torch takes most of the time of each."""
    path = folder / "together.py"
    path.write_text(in_one_process(*paths, first=first))
    return Program("together", path, "reproducible")


def check_that_looking_changes_nothing(program, *levels):
    """Run a program plainly and recorded, and compare all that can be seen of it.

    Each level has all hooks of the one before.
    """
    plain = run_probed(plain_command(program))
    with tempfile.TemporaryDirectory() as folder:
        runs = {level: record(program, level, folder) for level in levels}
        expected = what_both_have(plain, plain)
        if any(changes(expected, *run) for run in runs.values()):
            # Something differs: only what two plain runs have in common is to be expected.
            expected = what_both_have(plain, run_probed(plain_command(program)))
        for ending, reader in runs.values():
            assert changes(expected, ending, reader) == [], reader.info.level
            assert reader.info.finished
            assert reader.info.problems == ()
            assert any(reader.steps_completed(stream.id) for stream in reader.streams)
        if "layer" in runs:
            assert observer_effect(runs["layer"][1], runs["op"][1]) == []
        for _, reader in runs.values():
            reader.close()


def test_suspicious_programs_are_clean(tmp_path):
    """What differs between two runs without reaching a number is no fault."""
    if check(together(tmp_path, [one.path for one in SUSPICIOUS])).exit_code == EXIT_REPRODUCIBLE:
        return
    # One by one, to say which it is.
    statuses = {program.identity: check(program).exit_code for program in SUSPICIOUS}
    pytest.fail(f"not clean together; one by one, the exit statuses are {statuses}")


def check(program, *options):
    """Audit a program with the command line."""
    return run_command(detaudit_command("check", program, "--json", "-", *options))


@pytest.mark.parametrize("program", FAULTY, ids=lambda program: program.identity)
def test_faults_are_found_where_they_are(program, audit_here):
    """A faulty program is called so, with the phase, and where it can be known the module, of its fault."""
    result = audit_in_fresh_processes(program) if program.alone else audit_here(program.path)
    if program.flaky and result.verdict is Verdict.REPRODUCIBLE:
        pytest.skip("by chance, both runs came out equal")

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    (finding,) = result.findings
    assert finding.origin.phase in program.phases
    if set(program.modules) != {None}:
        assert finding.origin.module in (*program.modules, *(f"_orig_mod.{m}" for m in program.modules))


def audit_in_fresh_processes(program):
    """Audit a program whose fault lies in how its process starts."""
    # Looking for the operator takes two more runs, and `tests/diagnose` does that.
    outcome = check(program, "--level", "layer", "--no-diagnose")
    result = result_from_json(outcome.stdout, program.identity)
    assert outcome.exit_code == EXIT_CODES[result.verdict], outcome.stderr
    return result


@pytest.mark.parametrize("program", BROKEN, ids=lambda program: program.identity)
def test_broken_programs_are_unverified(program):
    """A program that fails, hangs or trains nothing is never called reproducible; the message says why."""
    timeout = ("--timeout", "3") if program.hangs else ()
    outcome = check(program, *timeout)
    result = json.loads(outcome.stdout)

    assert outcome.exit_code == EXIT_UNVERIFIED
    assert result["verdict"] == "unverified"
    assert result["reason"]
    assert "Traceback" not in outcome.stderr
