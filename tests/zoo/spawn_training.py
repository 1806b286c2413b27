"""torch.multiprocessing.spawn: two processes that each train a model, with ordered results."""

# expect: reproducible
# alone: true
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp
from torch import nn


def seed(number):
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def train(rank, folder):
    seed(rank)
    torch.set_num_threads(1)
    x = torch.randn(32, 6)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _step in range(4):
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), Path(folder) / f"{rank}.pt")


if __name__ == "__main__":
    seed(0)
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(train, args=(folder,), nprocs=2)
        states = [torch.load(Path(folder) / f"{rank}.pt") for rank in range(2)]
    for rank, state in enumerate(states):
        print("rank", rank, "weights", sum(p.double().sum().item() for p in state.values()))
    sys.stdout.flush()
