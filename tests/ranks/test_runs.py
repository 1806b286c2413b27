"""Two runs of a distributed training are compared rank by rank, and the rank at fault is named."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from detaudit.compare.ranks import as_ranges, rank_shortcomings
from detaudit.compare.replicas import rank_streams
from detaudit.model.cause import Cause
from detaudit.model.result import Verdict
from detaudit.model.trace import Rank
from tests.ranks.programs import DIVIDED

UNSEEDED = """
def train(rank, world):
    model = DDP(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    noise = torch.Generator()
    noise.manual_seed(rank)
    if rank == {rank}:
        noise.seed()
    for number in range(3):
        x = torch.randn(8, 4, generator=noise)
        step(model, optimizer, x, x.sum(1, keepdim=True))
"""


def line_of(result, text):
    return result.findings[0].site.code.strip() == text


def test_a_clean_distributed_training_is_reproducible(check):
    result = check(DIVIDED)
    assert result.verdict is Verdict.REPRODUCIBLE, result.findings
    assert result.compared.steps == 8


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_rank_that_is_not_seeded_is_named_though_all_ranks_differ_after_it(check, rank):
    result = check(UNSEEDED.format(rank=rank), world=3)
    (finding,) = result.findings
    assert finding.cause is Cause.UNSEEDED_TORCH
    assert finding.origin.rank == rank
    assert line_of(result, "noise.seed()")
    assert finding.affects.ranks == "0-2"


def test_a_rank_has_its_number_as_a_name_however_late_it_starts(recorded):
    late = "import time; time.sleep(0.5 * (1 - rank))\n    " + "model = DDP(network())"
    reader = recorded(DIVIDED.replace("model = DDP(network())", late, 1))
    assert [rank.label for rank in rank_streams(reader)] == ["rank 0", "rank 1"]
    assert {(rank.number, rank.world, rank.steps) for rank in reader.info.ranks} == {(0, 2, 8), (1, 2, 8)}
    assert {rank.data_parallel for rank in reader.info.ranks} == {(0, 1)}


def test_the_workers_of_each_rank_have_names_of_their_own(recorded):
    reader = recorded(DIVIDED.replace("batch_size=4,", "batch_size=4, num_workers=1,"))
    workers = [stream.label for stream in reader.streams if "worker" in stream.label]
    again = [f"rank {rank}/loader worker 0{epoch}" for rank in (0, 1) for epoch in ("", "#2")]
    assert sorted(workers) == again


def test_a_single_rank_is_the_main_process_as_ever(recorded):
    reader = recorded(DIVIDED, world=1)
    assert reader.info.ranks == ()


def test_a_rank_that_dies_leaves_no_verdict(check):
    dies = f"if rank == 1 and epoch: os.kill(os.getpid(), {int(signal.SIGKILL)})"
    result = check(DIVIDED.replace("sampler.set_epoch(epoch)", f"{dies}\n        sampler.set_epoch(epoch)"))
    assert result.verdict is Verdict.UNVERIFIED


def test_missing_unfinished_and_restarted_ranks_are_named():
    whole = [Rank(number, 4, "host", finished=True, steps=5) for number in range(4)]
    assert list(rank_shortcomings("1", whole)) == []
    assert "rank 1-2 of 4" in next(rank_shortcomings("1", [whole[0], whole[3]]))
    assert "rank 2 of run 1 did not end" in next(
        rank_shortcomings("1", [*whole[:2], replace(whole[2], finished=False), whole[3]])
    )
    assert "restart 2" in next(rank_shortcomings("1", [replace(one, restarts=2) for one in whole]))


def test_ranks_that_were_started_twice_must_all_be_there_twice():
    twice = [Rank(number % 2, 2, "host", finished=True) for number in range(4)]
    assert list(rank_shortcomings("1", twice)) == []
    assert list(rank_shortcomings("1", twice[:3]))


def test_ranks_are_written_as_ranges():
    assert as_ranges([7, 0, 1, 2, 3, 1]) == "0-3, 7"
    assert as_ranges([]) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="ranks are forked")
def test_steps_end_all_ranks(recorded):
    reader = recorded(DIVIDED, steps=3)
    assert {rank.steps for rank in reader.info.ranks} == {3}
    assert all(rank.finished for rank in reader.info.ranks)


BY_HAND = """
def train(rank, world):
    torch.manual_seed(rank)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for number in range(2):
        step(model, optimizer, torch.ones(8, 4), torch.zeros(8, 1))
"""


@pytest.mark.parametrize(("source", "said"), [(BY_HAND, True), (DIVIDED, False)])
def test_it_is_said_where_nobody_knows_what_ranks_share(check, source, said):
    result = check(source)
    assert result.verdict is Verdict.REPRODUCIBLE
    assert ("ranks-not-compared" in [notice.id for notice in result.notices]) is said
