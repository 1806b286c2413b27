"""Thread pool writes the clips, and they are read by modification time, newest first."""

# expect: not-reproducible cause=fs-order|completion-order phase=data module=None line=25|37
import os
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

torch.manual_seed(60)


def encode(folder, number):
    """Compress one clip; long ones take a while."""
    rng = np.random.default_rng(number)
    clip = rng.integers(0, 40, 60_000 + 90_000 * (number % 4), dtype=np.uint8)
    (folder / f"clip_{number:02d}.z").write_bytes(zlib.compress(clip.tobytes(), 6))


def newest_first(folder):
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)  # fault


def load(path):
    clip = np.frombuffer(zlib.decompress(path.read_bytes()), dtype=np.uint8)
    return torch.from_numpy(np.bincount(clip, minlength=40) / len(clip)).float()


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    with ThreadPoolExecutor(os.cpu_count() + 2) as pool:
        list(pool.map(lambda number: encode(folder, number), range(32)))
    x = torch.stack([load(path) for path in newest_first(folder)])

model = nn.Sequential(nn.Linear(40, 12), nn.Tanh(), nn.Linear(12, 40))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for rows in (40 * x).split(4):
    loss = nn.functional.mse_loss(model(rows), rows)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
