"""A DataLoader with two workers started by spawn, seeded as the manual says."""

# expect: reproducible
# alone: true
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def seed_worker(worker):
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


class Noisy(Dataset):
    def __len__(self):
        return 48

    def __getitem__(self, index):
        noise = np.random.normal(0, 0.1, 6) + random.random()
        return torch.linspace(0, index / 48, 6) + torch.from_numpy(noise).float() + torch.rand(6), index % 3


def main():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    order = torch.Generator().manual_seed(1)
    loader = DataLoader(
        Noisy(),
        batch_size=12,
        shuffle=True,
        num_workers=2,
        worker_init_fn=seed_worker,
        generator=order,
        multiprocessing_context="spawn",
    )
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
