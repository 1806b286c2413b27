"""The examples that ship with the package: detaudit says of each what its docstring says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import detaudit.examples
from detaudit.model.result import Verdict
from tests.benchmarks.running import detaudit_command, run_command
from tests.programs import Program

EXAMPLES = Path(detaudit.examples.__file__).parent
REPRODUCIBLE = ["digits", "char_transformer"]


def audit(name: str, *more: str) -> tuple[int, dict[str, Any]]:
    program = Program(name, EXAMPLES / f"{name}.py", "")
    outcome = run_command(detaudit_command("check", program, "--json", "-", "--steps", "4", *more))
    assert outcome.stdout, outcome.stderr
    return outcome.exit_code, json.loads(outcome.stdout)


def finding_in(status: int, result: dict[str, Any], cause: str) -> dict[str, Any]:
    assert (status, result["verdict"]) == (1, "not-reproducible")
    (finding,) = result["findings"]
    assert (finding["cause"], finding["confirmed"]) == (cause, True)
    return finding


def code_of(name: str, finding: dict[str, Any]) -> str:
    assert Path(finding["site"]["file"]).name == f"{name}.py"
    return (EXAMPLES / f"{name}.py").read_text().splitlines()[finding["site"]["line"] - 1]


def test_a_reproducible_model_file_is_found_reproducible():
    status, result = audit("digits_model")
    assert (status, result["verdict"], result["findings"]) == (0, "reproducible", [])


@pytest.mark.parametrize("name", REPRODUCIBLE)
def test_a_reproducible_script_is_found_reproducible(name: str, audit_here):
    result = audit_here(EXAMPLES / f"{name}.py", steps=4)
    assert (result.verdict, result.findings) == (Verdict.REPRODUCIBLE, ())


def test_an_unseeded_augmentation_is_found_out_and_a_patched_copy_is_reproducible(tmp_path: Path):
    name, folder = "unseeded_augmentation", tmp_path / "fixed"
    before = (EXAMPLES / f"{name}.py").read_bytes()
    finding = finding_in(*audit(name, "--fix", str(folder)), "unseeded-numpy")

    assert finding["origin"]["phase"] == "data"
    assert finding["origin"]["module"] in {None, ""}
    assert "np.random.normal(" in code_of(name, finding)
    assert finding["evidence"][-1] == {
        "patched": str(folder / f"{name}.py"),
        "patch": str(folder / f"{name}.py.patch"),
        "reproducible": True,
        "pairs": 1,
    }
    assert (EXAMPLES / f"{name}.py").read_bytes() == before


def test_a_racing_operator_is_found_out_and_shown_by_itself(tmp_path: Path):
    name = "nondeterministic_scatter"
    finding = finding_in(*audit(name, "--repro", str(tmp_path)), "nondeterministic-op")

    assert (finding["origin"]["phase"], finding["origin"]["module"]) == ("forward", "pool")
    assert "index_put_(" in code_of(name, finding)
    replayed = finding["evidence"][-1]
    assert replayed["operator"] == finding["origin"]["op"]
    assert replayed["replay"]["distinct"] > 1
    assert replayed["reproduces"] is True
    assert Path(replayed["repro"]).parent == tmp_path
    assert "distinct results" in finding["message"]
    assert "index_add" in finding["fix"]


def test_every_example_is_tested():
    names = {path.stem for path in EXAMPLES.glob("[a-z]*.py")}
    # `.ci/run` audits `blobs` as the README does.
    assert names == {
        *REPRODUCIBLE,
        "digits_model",
        "blobs",
        "unseeded_augmentation",
        "nondeterministic_scatter",
    }
