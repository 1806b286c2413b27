"""Tokens from the system name the run and its files; the files are read by their number."""

# expect: reproducible
# suspicious: true
import os
import secrets
import tempfile
import uuid

import numpy as np
import torch
from torch import nn

torch.manual_seed(55)
run = uuid.uuid4().hex[:8]
token = secrets.token_hex(4)
paths = {}
with tempfile.TemporaryDirectory(prefix=f"run-{run}-") as folder:
    for number in range(8):
        paths[number] = os.path.join(folder, f"{token}-{uuid.uuid4()}.npy")
        np.save(paths[number], np.cos(np.outer(np.arange(16), np.arange(6)) * (number + 1) / 20))
    model = nn.Sequential(nn.Linear(6, 12), nn.Sigmoid(), nn.Linear(12, 6))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    for number in range(8):
        x = torch.from_numpy(np.load(paths[number])).float()
        loss = (model(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), os.path.join(folder, f"model-{run}.pt"))
print("run", run, os.urandom(2).hex())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
