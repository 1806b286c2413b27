"""The list of files is shuffled by python's generator; only torch and numpy are seeded."""

# expect: not-reproducible cause=unseeded-python phase=data module=None line=31
import pathlib
import random
import tempfile

import numpy as np
import torch
from torch import nn

np.random.seed(11)
torch.manual_seed(11)


def write_recordings(folder, count=24):
    for number in range(count):
        wave = np.sin(np.linspace(0, 6 + number % 4, 64)) + 0.1 * np.random.randn(64)
        np.savetxt(folder / f"rec_{number:02d}.csv", wave)


def read(path):
    number = int(path.stem.split("_")[1])
    return torch.from_numpy(np.loadtxt(path)).float().view(1, 1, 64), torch.tensor([number % 4])


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    write_recordings(folder)
    files = sorted(folder.glob("rec_*.csv"))
    random.shuffle(files)  # fault
    train, held_out = files[:20], files[20:]

    model = nn.Sequential(nn.Conv1d(1, 6, 9, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(114, 4))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=2e-3)
    for path in train:
        wave, label = read(path)
        loss = nn.functional.cross_entropy(model(wave), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    hits = sum((model(read(path)[0]).argmax(1) == read(path)[1]).item() for path in held_out)
print("held out", hits, "of", len(held_out))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
