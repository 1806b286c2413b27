"""The examples that ship with the package: detaudit says of each what its docstring says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import detaudit.examples
from detaudit.cli.main import main
from detaudit.model.result import Verdict
from detaudit.targets.drive import train
from tests.benchmarks.running import detaudit_command, run_command
from tests.programs import Program

EXAMPLES = Path(detaudit.examples.__file__).parent
REPRODUCIBLE = ["digits", "char_transformer"]


def audit(name: str, *more: str) -> tuple[int, dict[str, Any]]:
    program = Program(name, EXAMPLES / f"{name}.py", "")
    outcome = run_command(detaudit_command("check", program, "--json", "-", "--steps", "2", *more))
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


def test_a_reproducible_model_file_is_found_reproducible(audit_here):
    from detaudit.examples import digits_model

    def driven():
        torch.manual_seed(0)
        train(digits_model, 4, {})

    result = audit_here(driven)
    assert (result.verdict, result.findings) == (Verdict.REPRODUCIBLE, ())


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
        "kind": "patch",
        "patched": str(folder / f"{name}.py"),
        "patch": str(folder / f"{name}.py.patch"),
        "reproducible": True,
        "pairs": 1,
    }
    assert (EXAMPLES / f"{name}.py").read_bytes() == before


@pytest.mark.usefixtures("forked")
def test_a_racing_operator_is_found_out_and_shown_by_itself(tmp_path: Path, capsys):
    name = "nondeterministic_scatter"
    options = ("--json", "-", "--steps", "2", "--repro", str(tmp_path))
    status = main(["check", str(EXAMPLES / f"{name}.py"), *options])
    finding = finding_in(status, json.loads(capsys.readouterr().out), "nondeterministic-op")

    assert (finding["origin"]["phase"], finding["origin"]["module"]) == ("forward", "pool")
    assert "index_put_(" in code_of(name, finding)
    replayed = finding["evidence"][-1]
    assert replayed["operator"] == finding["origin"]["op"]
    assert replayed["replay"]["distinct"] > 1
    assert "distinct results" in finding["message"]
    assert "index_add" in finding["fix"]
    check_what_the_operator_did_alone(replayed)
    check_the_script(replayed, tmp_path)


def check_what_the_operator_did_alone(replayed: dict[str, Any]) -> None:
    """Hardly two replays agree; under either switch all do, and the answer says so."""
    alone, strict, single = (replayed[name] for name in ("replay", "deterministic", "one_thread"))
    assert (alone["threads"], alone["times"], alone["dtype"]) == (8, 200, "float32")
    assert 0 < alone["largest_absolute"] < 1e-3
    assert alone["largest_relative"] > 0
    assert alone["largest_ulp"] >= 1
    assert (strict["times"], strict["distinct"], single["distinct"]) == (200, 1, 1)
    assert "index_add" in replayed["alternative"]
    assert "none of 200 replays differed" in replayed["alternative"]
    assert replayed["text"].startswith("replayed alone 200 times with its inputs saved: ")
    assert "ULP" in replayed["text"]
    assert "with torch.use_deterministic_algorithms(True): 1;" in replayed["text"]


def check_the_script(replayed: dict[str, Any], folder: Path) -> None:
    """It shows the race, and says nothing of the program or the machine's folders."""
    script = Path(replayed["repro"])
    assert replayed["reproduces"] is True
    assert "(the script was run: " in replayed["text"]
    assert script == folder / "repro_index_put_.py"
    assert len(script.read_text().splitlines()) < 60
    assert str(folder) not in script.read_text()
    assert str(EXAMPLES) not in script.read_text()


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
