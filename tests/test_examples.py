"""The examples that ship with the package: detaudit says of each what its docstring says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import detaudit.examples
from tests.benchmarks.running import detaudit_command, run_command
from tests.programs import Program

EXAMPLES = Path(detaudit.examples.__file__).parent
REPRODUCIBLE = ["blobs", "digits", "digits_model", "char_transformer"]


def audit(name: str) -> tuple[int, dict[str, Any]]:
    program = Program(name, EXAMPLES / f"{name}.py", "")
    options = ("--steps", "4") if name == "char_transformer" else ()
    outcome = run_command(detaudit_command("check", program, "--json", "-", *options))
    assert outcome.stdout, outcome.stderr
    return outcome.exit_code, json.loads(outcome.stdout)


@pytest.mark.parametrize("name", REPRODUCIBLE)
def test_a_reproducible_example_is_found_reproducible(name: str):
    status, result = audit(name)
    assert (status, result["verdict"], result["findings"]) == (0, "reproducible", [])


@pytest.mark.parametrize(
    ("name", "phase", "modules", "code"),
    [
        ("unseeded_augmentation", "data", {None, ""}, "np.random.normal("),
        ("nondeterministic_scatter", "forward", {"pool"}, "index_put_("),
    ],
)
def test_a_faulty_example_is_found_out_on_the_line_at_fault(
    name: str, phase: str, modules: set[str | None], code: str
):
    status, result = audit(name)
    assert (status, result["verdict"]) == (1, "not-reproducible")
    finding = result["findings"][0]
    assert finding["origin"]["phase"] == phase
    assert finding["origin"]["module"] in modules
    assert Path(finding["site"]["file"]).name == f"{name}.py"
    assert code in (EXAMPLES / f"{name}.py").read_text().splitlines()[finding["site"]["line"] - 1]


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.glob("[a-z]*.py")}
    assert names == {*REPRODUCIBLE, "unseeded_augmentation", "nondeterministic_scatter"}
