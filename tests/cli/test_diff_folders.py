"""`detaudit diff FOLDER FOLDER`: the traces that two launches left, rank by rank."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import resources

import jsonschema
import pytest

from detaudit.model.trace import Rank, StreamRole
from tests.traces import TraceBuilder, training_step

SCHEMA = json.loads(resources.files("detaudit.model").joinpath("result.schema.json").read_text())
WORLD = 4


def write(folder, number, *, from_step=99, change=None, world=WORLD, steps=3, finished=True, **more):
    """Write a rank's trace; from `from_step` on, `change` says what is other than usual."""
    folder.mkdir(exist_ok=True)
    restarts = more.pop("restarts", 0)
    run = TraceBuilder(folder / f"rank-{number:05d}.trace", target=more.pop("target", "train.py"))
    stream = (f"rank {number}", "main", StreamRole.MAIN)
    for step in range(steps):
        changes = (change or {"conv": "x", "weight": "x"}) if step >= from_step else {}
        run.step(*training_step((number, step), **changes), stream=stream)
    rank = Rank(number, world, "a", restarts, finished=True, steps=steps)
    ranks = [asdict(rank)] if finished else []
    run.close(ranks=ranks, finished=finished, launch=more.pop("launch", ["one"]), **more)


@pytest.fixture
def launches(tmp_path):
    """Two folders, `a` and `b`, with four ranks each; `b` is as asked for."""

    def make(**changed):
        for number in range(WORLD):
            write(tmp_path / "a", number)
            more = changed.get(f"rank{number}", {})
            if more is not None:
                write(tmp_path / "b", number, **{**changed.get("all", {}), **more})
        return tmp_path

    return make


def said(out):
    return " ".join(out.split())


def test_launches_whose_ranks_all_agree(command, launches):
    launches()
    code, out, err = command("diff", "a", "b")
    assert (code, err) == (0, "")
    assert out.startswith("REPRODUCIBLE train.py".replace(" ", "  "))
    assert "rank 0-3 equal" in out
    assert "3 steps, 108 events" in out


def test_the_rank_that_differs_first_is_the_answer_and_equal_ranks_are_folded(command, launches):
    late = {"from_step": 2}
    folder = launches(rank1={"from_step": 1}, rank2=late, rank3=late)
    code, out, _ = command("diff", "a", "b", "--json", "r.json")
    assert code == 1
    result = json.loads((folder / "r.json").read_text())
    jsonschema.validate(result, SCHEMA)
    (finding,) = result["findings"]
    assert (finding["origin"]["rank"], finding["origin"]["step"], finding["site"]["line"]) == (1, 1, 5)
    assert finding["affects"]["ranks"] == "1-3"
    code, out, _ = command("diff", "a", "b")
    assert "rank 0 equal; rank 1 differs from step 1; rank 2-3 differ from step 2" in said(out)


def test_within_a_step_the_rank_that_differs_earlier_in_it_is_the_answer(command, launches):
    folder = launches(
        rank0={"from_step": 1, "change": {"used": "x"}}, rank2={"from_step": 1, "change": {"conv": "x"}}
    )
    command("diff", "a", "b", "--json", "r.json")
    (finding,) = json.loads((folder / "r.json").read_text())["findings"]
    assert (finding["origin"]["rank"], finding["origin"]["phase"]) == (2, "forward")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rank2": None}, "run 2 has no trace of rank 2 of 4"),
        ({"rank1": {"finished": False}}, "its trace stops after 3 completed steps (rank 1)"),
        ({"rank1": {"exit_code": 1}}, "run 2 ended with exit code 1 (rank 1)"),
        ({"rank3": {"world": 8}}, "run 2 has traces of different world sizes: 4 (rank 0-2), 8 (rank 3)"),
        ({"rank3": {"target": "b.py"}}, "different programs: train.py (rank 0-2), b.py (rank 3)"),
        ({"rank0": {"restarts": 1}}, "started its ranks again (restarts: 1 (rank 0), 0 (rank 1-3))"),
        ({"rank3": {"launch": ["two"]}}, "run 2 has traces of several launches: rank 3 of another one"),
        ({"all": {"target": "b.py"}}, "the runs have different programs: train.py and b.py"),
        ({"all": {"steps": 0}}, "run 2 completed no training step (rank 0-3)"),
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_told_with_the_rank(command, launches, changed, words):
    launches(**changed)
    code, out, err = command("diff", "a", "b")
    assert (code, err) == (2, "")
    assert out.startswith("UNVERIFIED")
    assert words in said(out)


def test_a_rank_that_was_killed_is_not_said_to_be_missing(command, launches):
    launches(rank1={"finished": False})
    assert "no trace of rank" not in command("diff", "a", "b")[1]


def test_a_folder_without_traces_and_a_folder_in_the_place_of_a_trace_are_clear_messages(command, launches):
    folder = launches()
    (folder / "empty").mkdir()
    (folder / "empty" / ".rank-00000.a-1.partial").touch()
    code, out, err = command("diff", "a", "empty")
    assert (code, out) == (2, "")
    assert "there is no trace in empty [folder-empty]" in err
    code, out, err = command("diff", "a", "a/rank-00000.trace")
    assert (code, out) == (2, "")
    assert "no trace file at a [trace-missing]" in err


def test_a_trace_that_is_cut_is_named(command, launches):
    path = launches() / "b" / "rank-00002.trace"
    path.write_bytes(path.read_bytes()[:9000])
    code, _, err = command("diff", "a", "b")
    assert code == 2
    assert "b/rank-00002.trace is damaged" in err
