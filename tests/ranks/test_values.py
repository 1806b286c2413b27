"""Values that are spread over ranks, or still on their way between them, are compared, never waited for."""

from __future__ import annotations

import pytest

from detaudit.model.result import Verdict

SHARDED = """
def train(rank, world):
    from torch.distributed.fsdp import fully_shard

    model = network()
    for layer in (model[0], model[2], model):
        fully_shard(layer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    noise = torch.Generator().manual_seed(rank{unseeded})
    for number in range(3):
        x = torch.randn(8, 4, generator=noise)
        step(model, optimizer, x, x.sum(1, keepdim=True))
"""

SPREAD = """
def train(rank, world):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    mesh = init_device_mesh("cpu", (world,))
    model = network()
    parallelize_module(model, mesh, {{"0": ColwiseParallel(), "2": RowwiseParallel()}})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    noise = torch.Generator().manual_seed(3{unseeded})
    for number in range(3):
        x = torch.randn(8, 4, generator=noise)
        step(model, optimizer, x, x.sum(1, keepdim=True))
"""

PIPELINE = """
def train(rank, world):
    from torch.distributed.pipelining import PipelineStage, ScheduleGPipe

    torch.manual_seed(rank)
    part = nn.Sequential(nn.Linear(4, 4), nn.Tanh()) if rank < world - 1 else nn.Linear(4, 1)
    schedule = ScheduleGPipe(
        PipelineStage(part, rank, world, torch.device("cpu")),
        n_microbatches=2,
        loss_fn=nn.functional.mse_loss,
    )
    optimizer = torch.optim.SGD(part.parameters(), lr=0.01)
    torch.manual_seed(5{unseeded})
    for number in range(3):
        x, y = torch.randn(8, 4), torch.randn(8, 1)
        optimizer.zero_grad()
        if rank == 0:
            schedule.step(x)
        else:
            schedule.step(target=y)
        optimizer.step()
"""

PROGRAMS = {"fully sharded": SHARDED, "tensor parallel": SPREAD, "pipeline": PIPELINE}
UNSEEDED = " + int.from_bytes(os.urandom(3), 'big')"


@pytest.mark.parametrize("level", ["layer", "op"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_clean_training_of_every_kind_is_reproducible_and_nothing_is_said_of_it(check, program, level):
    result = check(PROGRAMS[program].format(unseeded=""), level=level)
    assert result.verdict is Verdict.REPRODUCIBLE, (result.reason, result.findings)
    assert {notice.id for notice in result.notices} <= {"observer-effect", "ranks-not-compared"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_training_of_every_kind_that_is_not_seeded_differs(check, program):
    result = check(PROGRAMS[program].format(unseeded=UNSEEDED), diagnose=False)
    assert result.verdict is Verdict.NOT_REPRODUCIBLE, result.reason
    assert result.findings[0].origin.rank is not None


def test_meshes_are_told(recorded):
    assert {rank.mesh for rank in recorded(SPREAD.format(unseeded="")).info.ranks} == {"0=2"}
