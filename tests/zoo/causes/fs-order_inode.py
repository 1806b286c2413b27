"""Tiles are read in the order of their inodes, for the sake of the disk; threads raced to write them."""

# expect: not-reproducible cause=fs-order|completion-order phase=data module=None line=30
import os
import tempfile
import threading

import numpy as np
import torch
from torch import nn

torch.manual_seed(25)
GRID = 6


def write_row(folder, row):
    for column in range(GRID):
        tile = np.random.default_rng(row * GRID + column).random((80, 80))
        tile = np.linalg.inv(tile + 80 * np.eye(80))[:8, :8] * 80
        np.save(os.path.join(folder, f"tile_{row}_{column}.npy"), tile.astype("float32"))


with tempfile.TemporaryDirectory() as folder:
    rows = [threading.Thread(target=write_row, args=(folder, row)) for row in range(GRID)]
    for thread in rows:
        thread.start()
    for thread in rows:
        thread.join()
    with os.scandir(folder) as entries:
        paths = [entry.path for entry in sorted(entries, key=os.DirEntry.inode)]  # fault
    tiles = torch.stack([torch.from_numpy(np.load(path)) for path in paths])

encoder = nn.Sequential(nn.Unflatten(1, (1, 8)), nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Linear(216, 4))
decoder = nn.Linear(4, 64)
weights = [*encoder.parameters(), *decoder.parameters()]
optimizer = torch.optim.Adam(weights, lr=5e-3)
for batch in tiles.split(4):
    loss = nn.functional.mse_loss(decoder(encoder(batch)), batch.flatten(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in weights))
