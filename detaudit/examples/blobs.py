"""Reproducible: a small network learns to tell blobs of points apart, with augmentation in two workers.

Everything that draws random numbers is seeded, the workers too: `detaudit check` finds no difference.
"""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

POINTS, CLASSES, EPOCHS = 480, 4, 2


def seed_everything(seed: int) -> None:
    """Seed the three generators that this program uses."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_worker(_worker: int) -> None:
    """Seed numpy and python in a worker from the seed that torch gave to it."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)


class Blobs(Dataset[tuple[Tensor, int]]):
    """Points around the corners of a square, with fresh noise each time one is taken."""

    def __len__(self) -> int:
        return POINTS

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        label = index % CLASSES
        corner = np.array([label % 2, label // 2]) * 2.0 - 1.0
        return torch.from_numpy(np.random.normal(corner, 0.6)).float(), label


def main() -> None:
    """Train for two epochs and print where it got."""
    seed_everything(0)
    order = torch.Generator().manual_seed(0)
    loader = DataLoader(
        Blobs(), batch_size=24, shuffle=True, num_workers=2, worker_init_fn=seed_worker, generator=order
    )
    model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(EPOCHS):
        for points, labels in loader:
            loss = nn.functional.cross_entropy(model(points), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
