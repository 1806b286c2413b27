"""`detaudit diff`: two traces, an answer, an exit code."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from tests.traces import TraceBuilder, module, training_step

SCHEMA = json.loads(resources.files("detaudit.model").joinpath("result.schema.json").read_text())


pytestmark = pytest.mark.usefixtures("traces")


def test_traces_that_agree(command):
    code, out, err = command("diff", "a.trace", "same.trace")
    assert (code, err) == (0, "")
    assert out.startswith("REPRODUCIBLE")


def test_traces_that_differ(command):
    code, out, err = command("diff", "a.trace", "other.trace")
    assert (code, err) == (1, "")
    assert "NOT REPRODUCIBLE" in out
    assert "train.py:5" in out


def test_a_trace_that_was_cut_short(command, traces):
    run = TraceBuilder(traces / "killed.trace")
    run.step(*training_step(0))
    run.close(finished=False)
    code, out, _ = command("diff", "a.trace", "killed.trace")
    assert code == 2
    assert "UNVERIFIED" in out
    assert "run 2 did not end" in out


@pytest.mark.parametrize("other", ["same", "other"])
def test_the_json_result_fits_the_schema(command, traces, other):
    command("diff", "a.trace", f"{other}.trace", "--json", "r.json")
    jsonschema.validate(json.loads((traces / "r.json").read_text()), SCHEMA)


def test_json_on_standard_output_is_alone_there(command):
    code, out, err = command("diff", "a.trace", "other.trace", "--json", "-")
    assert (code, err) == (1, "")
    assert json.loads(out)["verdict"] == "not-reproducible"


def test_a_trace_equals_itself(command):
    assert command("diff", "a.trace", "a.trace")[0] == 0


def test_traces_of_different_levels(command, traces):
    TraceBuilder(traces / "op.trace", level="op").close()
    code, out, err = command("diff", "a.trace", "op.trace")
    assert (code, out) == (2, "")
    assert "[trace-not-comparable]" in err
    assert "hint: record both with one --level" in err


BAD = {
    "missing": (Path.absolute, "trace-missing"),
    "empty": (lambda path: path.touch(), "trace-empty"),
    "foreign": (lambda path: path.write_text("{}"), "trace-foreign"),
    "cut": (lambda path: path.write_bytes((path.parent / "a.trace").read_bytes()[:9000]), "trace-damaged"),
    "folder": (lambda path: path.mkdir(), "trace-missing"),
}


@pytest.mark.parametrize(("make", "slug"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("bad_first", [True, False])
def test_a_bad_trace_is_a_clear_message(command, traces, make, slug, bad_first):
    make(traces / "bad.trace")
    files = ["bad.trace", "a.trace"] if bad_first else ["a.trace", "bad.trace"]
    code, out, err = command("diff", *files)
    assert (code, out) == (2, "")
    assert err.startswith("detaudit: ")
    assert "bad.trace" in err
    assert f"[{slug}]" in err
    assert "  hint: " in err
    assert "Traceback" not in err


def test_an_output_that_cannot_be_written_is_told_before_the_work(command):
    code, out, err = command("diff", "missing", "missing", "--json", "none/r.json")
    assert (code, out) == (2, "")
    assert "[output-unwritable]" in err


def test_where_only_an_evaluation_differs_the_training_alone_can_be_asked_about(command, traces):
    for name in ("one", "two"):
        run = TraceBuilder(traces / f"{name}.trace")
        for step in range(3):
            run.step(*training_step(step), module("", "x", name, "eval", line=9))
        run.close()
    code, out, _ = command("diff", "one.trace", "two.trace")
    assert (code, out.startswith("NOT REPRODUCIBLE (evaluation only: the training is the same)")) == (1, True)
    code, out, _ = command("diff", "one.trace", "two.trace", "--scope", "training")
    assert (code, out.startswith("REPRODUCIBLE (training only")) == (0, True)
    code, _, _ = command("diff", "a.trace", "other.trace", "--scope", "training")
    assert code == 1
