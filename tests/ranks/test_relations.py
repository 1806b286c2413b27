"""The ranks of one run are compared with each other, though two runs are equal."""

from __future__ import annotations

import pytest

from detaudit.compare.replicas import find_drift, rank_streams
from detaudit.compare.shards import find_shard_faults
from detaudit.model.cause import Cause
from detaudit.model.result import Verdict
from tests.ranks.programs import DIVIDED


def changed(*changes):
    source = DIVIDED
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    return source


STEP = ("step(model, optimizer, x, y)", "step(model, optimizer, x, y)\n            {}")
LOADER = "loader = DataLoader(samples, batch_size=4, sampler=sampler)"
WITHOUT_SAMPLER = (
    (LOADER, "loader = DataLoader(samples, batch_size=4, shuffle=True)"),
    ("sampler.set_epoch(epoch)", "pass"),
)


def behind_step(code):
    return changed((STEP[0], STEP[1].format(code)))


@pytest.mark.parametrize("rank", [0, 1])
def test_the_rank_that_changes_its_copy_of_a_weight_is_named_with_the_line(check, rank):
    change = f"if rank == {rank} and epoch: model.module[0].bias.data.mul_(1.5)"
    result = check(behind_step(change))
    (finding,) = result.findings
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert finding.cause is Cause.REPLICAS_DRIFT
    assert (finding.origin.rank, finding.origin.step, finding.affects.ranks) == (rank, 5, str(rank))
    assert finding.site.code.strip() == change
    assert finding.rate == {"differs": 0, "pairs": 1}


BY_HAND = """loss = model(x).sub(y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            if rank == 2:
                model.module[2].weight.grad.add_(1)
            optimizer.step()"""


def test_a_gradient_that_is_changed_behind_the_exchange_is_found_in_its_step(recorded):
    drift = find_drift(rank_streams(recorded(changed((STEP[0], BY_HAND)), world=3)))
    assert (drift.step, drift.reference, drift.departed) == (0, 0, (2,))


EPOCH = "sampler.set_epoch(epoch)"
NORMALISED = "nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))"
ACCUMULATED = """with model.no_sync():
                model(x[:2]).sub(y[:2]).square().mean().backward()
            step(model, optimizer, x[2:], y[2:])"""
APART = """step(model, optimizer, x, y)
            if epoch == 0:
                model.module[2].bias.data.add_(rank)"""
BROADCAST = """sampler.set_epoch(epoch)
        for parameter in model.parameters():
            dist.broadcast(parameter.data, 0)"""
VALIDATION = """sampler.set_epoch(epoch)
        with torch.no_grad():
            for x, y in DataLoader(samples, batch_size=8):
                model.module(x)"""

JOINED = """for x, y in loader:
                step(model, optimizer, x, y)"""
SPREAD = """from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module


def spread(model, world):
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    return parallelize_module(model, init_device_mesh("cpu", (world,)), plan)


def train"""

CLEAN = {
    "statistics of each rank's own": [
        ("network()", NORMALISED),
        ("model = DDP(nn.", "torch.manual_seed(0)\n    model = DDP(nn."),
    ],
    "gradients that are accumulated": [(STEP[0], ACCUMULATED)],
    "copies that meet again": [(STEP[0], APART), (EPOCH, BROADCAST)],
    "a data set that does not divide evenly": [("data()", "data(31)")],
    "an order that is meant to stay": [("world, rank)\n", "world, rank, shuffle=False)\n"), (EPOCH, "pass")],
    "data sets of each rank's own": [
        ("data()", "Subset(data(), range(rank, 32, world))"),
        *WITHOUT_SAMPLER,
    ],
    "a part of the same batch for each rank": [
        *WITHOUT_SAMPLER,
        (STEP[0], "step(model, optimizer, x[rank::2], y[rank::2])"),
    ],
    "a validation set that all ranks go through": [(EPOCH, VALIDATION)],
    "ranks that take unequal numbers of steps": [
        ("sampler=sampler)", "sampler=range(rank * 12, 12 + rank * 20))"),
        (EPOCH, "pass"),
        ("for x, y in loader:", "with Join([model]):"),
        (STEP[0], JOINED),
        ("def train", "from torch.distributed.algorithms.join import Join\n\n\ndef train"),
    ],
    "parts of layers that are spread over ranks": [
        *WITHOUT_SAMPLER,
        ("DDP(network())", "spread(network(), world)"),
        ("def train", SPREAD),
    ],
}


@pytest.mark.parametrize("what", CLEAN)
def test_ranks_that_rightly_differ_or_agree_are_no_fault(recorded, what):
    ranks = rank_streams(recorded(changed(*CLEAN[what])))
    assert len(ranks) == 2
    assert find_drift(ranks) is None
    assert find_shard_faults(ranks) == []


def test_ranks_that_train_on_the_same_samples_are_found(check):
    (finding,) = check(changed(*WITHOUT_SAMPLER)).findings
    assert finding.cause is Cause.SHARDS_OVERLAP
    assert "the same 32 samples" in finding.message
    assert finding.site.code.strip() == "for x, y in loader:"


def test_parts_that_overlap_are_found(recorded):
    part = "SubsetRandomSampler(range(rank * 8, rank * 8 + 24), generator=torch.Generator().manual_seed(0))"
    source = changed((LOADER, LOADER.replace("=sampler", f"=torch.utils.data.{part}")))
    (fault,) = find_shard_faults(rank_streams(recorded(source)))
    assert (fault.epoch_not_set, fault.common) == (False, 16)


def test_an_epoch_that_the_sampler_is_not_told_is_found(check):
    result = check(changed(("sampler.set_epoch(epoch)", "pass")))
    (finding,) = result.findings
    assert "epochs-same-order" not in [notice.id for notice in result.notices]
    assert finding.cause is Cause.EPOCH_NOT_SET
    assert finding.origin.step == 4


ORDER = """
def train(rank, world):
    model = DDP(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    noise = torch.Generator().manual_seed(rank)
    for number in range(2):
        x = torch.randn(8, 4, generator=noise)
        step(model, optimizer, x, x.sum(1, keepdim=True))
        a, b = x.mean(), x.std()
        if rank == 0:
            dist.all_reduce(a)
            dist.all_reduce(b)
        else:
            dist.all_reduce({first})
            dist.all_reduce({second})
"""


@pytest.mark.parametrize(("first", "second", "found"), [("b", "a", True), ("a", "b", False)])
def test_collective_calls_in_another_order_are_found(check, first, second, found):
    result = check(ORDER.format(first=first, second=second))
    assert [finding.cause for finding in result.findings] == ([Cause.COLLECTIVE_ORDER] if found else [])
    if found:
        assert result.findings[0].site.code.strip() == "dist.all_reduce(b)"
        assert result.findings[0].affects.ranks == "0-1"


EXCHANGE = """
def train(rank, world):
    model = DDP(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    noise = torch.Generator().manual_seed(rank)
    for number in range(2):
        x = torch.randn(8, 4, generator=noise)
        step(model, optimizer, x, x.sum(1, keepdim=True))
        mine, other = x.mean(), torch.zeros(())
        if rank == 0:
            dist.send(mine, 1 - rank)
            dist.recv(other, 1 - rank)
        else:
            dist.recv(other, 1 - rank)
            dist.send(mine, 1 - rank)
"""


def test_two_ranks_that_send_and_receive_in_turn_are_no_fault(check):
    assert check(EXCHANGE).verdict is Verdict.REPRODUCIBLE
