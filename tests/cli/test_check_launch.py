"""`detaudit check FOLDER` compares the ranks of one launch with each other."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from detaudit.cli.main import main
from detaudit.model.trace import Rank, StreamRole
from tests.traces import TraceBuilder, training_step, weight


@pytest.fixture
def launch(tmp_path):
    """Write the traces of four ranks; `values`: the weight that each has after its two steps."""

    def written(values, world=4, group=(0, 1, 2, 3)):
        folder = tmp_path / "launch"
        folder.mkdir()
        for number, value in enumerate(values):
            trace = TraceBuilder(folder / f"rank-{number:05d}.trace")
            stream = (f"rank {number}", "main", StreamRole.RANK)
            trace.step(*training_step(1), stream=stream, copies={"0,1,2,3": b"same"})
            trace.step(weight("w", value), stream=stream, copies={"0,1,2,3": bytes([value])})
            rank = Rank(number, world, "host", data_parallel=group, finished=True, steps=2)
            trace.meta(ranks=[asdict(rank)])
            trace.close()
        return folder

    return written


def answer(folder, capsys):
    code = main(["check", str(folder), "--json", "-"])
    return code, json.loads(capsys.readouterr().out)


def test_ranks_that_agree_are_told_so_and_of_other_launches_nothing_is_said(launch, capsys):
    folder = launch([5, 5, 5, 5])
    code, result = answer(folder, capsys)
    assert (code, result["verdict"], result["scope"]) == (0, "reproducible", "ranks")
    main(["check", str(folder)])
    shown = capsys.readouterr().out
    assert "RANKS AGREE (one launch: nothing is said of another one)" in shown
    assert "rank 0-3 compared with each other, 2 steps of each" in shown


def test_a_rank_whose_copy_has_another_value_is_named(launch, capsys):
    code, result = answer(launch([5, 5, 6, 5]), capsys)
    (finding,) = result["findings"]
    assert (code, finding["cause"], finding["origin"]["rank"]) == (1, "replicas-drift", 2)
    assert finding["origin"]["step"] == 1
    assert finding["affects"] == {"weights": 1, "layers": 0, "from_step": 1, "ranks": "2"}


def test_a_missing_rank_leaves_no_verdict(launch, capsys):
    code, result = answer(launch([5, 5, 5]), capsys)
    assert code == 2
    assert "no trace of rank 3 of 4" in result["reason"]


def test_ranks_of_which_nothing_is_known_leave_no_verdict(launch, capsys):
    code, result = answer(launch([5, 5, 5, 5], group=()), capsys)
    assert code == 2
    assert "not compared with each other" in result["reason"]


def test_arguments_for_traces_are_refused(launch, capsys):
    assert main(["check", str(launch([5, 5, 5, 5])), "--", "--epochs", "3"]) == 2
    assert "traces take no arguments" in capsys.readouterr().err
