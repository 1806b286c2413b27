"""Listings with random names, one sorted by what does not change, one only counted and summed up."""

# expect: reproducible
# suspicious: true
import os
import tempfile
import uuid

import torch
from torch import nn

torch.manual_seed(4)


def save_all(folder):
    for number in range(14):
        x = torch.linspace(-1, 1, 10) * number
        torch.save({"x": x, "y": x.abs().mean()}, os.path.join(folder, f"{number:03d}-{uuid.uuid4().hex}.pt"))


with tempfile.TemporaryDirectory() as folder:
    save_all(folder)
    total = sum(entry.stat().st_size for entry in os.scandir(folder))
    found = len(os.listdir(folder))
    names = sorted(os.listdir(folder), key=lambda name: int(name.split("-")[0]))
    samples = [torch.load(os.path.join(folder, name)) for name in names]

model = nn.Sequential(nn.Linear(10, 15), nn.ReLU(), nn.Linear(15, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for sample in samples:
    loss = nn.functional.mse_loss(model(sample["x"])[0], sample["y"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("found", found, "files of", total // found, "bytes")
print("weights", sum(p.double().sum().item() for p in model.parameters()))
