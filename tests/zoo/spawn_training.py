"""torch.multiprocessing.spawn: a process that trains; then a DataLoader with two workers started by spawn."""

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
from torch.utils.data import DataLoader, Dataset


def seed(number):
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def seed_worker(worker):
    drawn = torch.initial_seed() % 2**32
    np.random.seed(drawn)
    random.seed(drawn)


class Noisy(Dataset):
    def __len__(self):
        return 48

    def __getitem__(self, index):
        noise = np.random.normal(0, 0.1, 6) + random.random()
        return torch.linspace(0, index / 48, 6) + torch.from_numpy(noise).float() + torch.rand(6), index % 3


def update(model, loss):
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.05 * p.grad
            p.grad = None


def train(rank, folder):
    seed(rank)
    torch.set_num_threads(1)
    x = torch.randn(32, 6)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    for _step in range(4):
        update(model, (model(x) - x.sum(1, keepdim=True)).pow(2).mean())
    torch.save(model.state_dict(), Path(folder) / f"{rank}.pt")


def train_with_workers():
    loader = DataLoader(
        Noisy(),
        batch_size=12,
        shuffle=True,
        num_workers=2,
        worker_init_fn=seed_worker,
        generator=torch.Generator().manual_seed(1),
        multiprocessing_context="spawn",
    )
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        update(model, loss)
    print("final loss", loss.item())
    return model.state_dict()


if __name__ == "__main__":
    seed(0)
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(train, args=(folder,), nprocs=1)
        states = [torch.load(Path(folder) / "0.pt"), train_with_workers()]
    for state in states:
        print("weights", sum(p.double().sum().item() for p in state.values()))
    sys.stdout.flush()
