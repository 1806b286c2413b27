"""The source of distributed programs, for tests that run them.

Ranks are forked from a process that has torch loaded, and meet at a file: no port that another test takes.
"""

from __future__ import annotations

import textwrap

HEAD = """
import os
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler, Subset, TensorDataset


def data(count=32):
    torch.manual_seed(1)
    return TensorDataset(torch.randn(count, 4), torch.randn(count, 1))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def step(model, optimizer, x, y):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

"""

TAIL = """

def start(rank, world, meeting):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    train(rank, world)
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        mp.start_processes(start, (WORLD, f"{folder}/meeting"), nprocs=WORLD, start_method="fork")
"""


def program(train: str, world: int = 2) -> str:
    """A program whose ranks each call `train(rank, world)`."""
    return f"{HEAD}WORLD = {world}\n\n{textwrap.dedent(train).strip()}\n{TAIL}"


DIVIDED = """
def train(rank, world):
    model = DDP(network())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    samples = data()
    sampler = DistributedSampler(samples, world, rank)
    loader = DataLoader(samples, batch_size=4, sampler=sampler)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for x, y in loader:
            step(model, optimizer, x, y)
"""
