"""Shards are waited for with a jittered retry; each retry is one draw more before the shuffle."""

# expect: not-reproducible cause=rng-drift|completion-order|thread-race phase=data module=None line=30|32
import os
import random
import tempfile
import threading
import time

import numpy as np
import torch
from torch import nn

random.seed(70)
torch.manual_seed(70)


def export(folder, shards):
    """The other end: computes the shards and writes one after the other."""
    for shard in range(shards):
        table = np.random.RandomState(shard).randn(40, 120, 120)
        table = np.linalg.qr(table)[0][:, 0, :12].astype("float32")
        np.save(os.path.join(folder, "part.tmp.npy"), table)
        os.replace(os.path.join(folder, "part.tmp.npy"), os.path.join(folder, f"{shard}.npy"))


def fetch(folder, shard):
    path = os.path.join(folder, f"{shard}.npy")
    while not os.path.exists(path):
        time.sleep(random.uniform(0.0002, 0.001))  # fault
    rows = list(torch.from_numpy(np.load(path)))
    random.shuffle(rows)
    return torch.stack(rows)


model = nn.Sequential(nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 12))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
with tempfile.TemporaryDirectory() as folder:
    writer = threading.Thread(target=export, args=(folder, 8))
    writer.start()
    for shard in range(8):
        for x in fetch(folder, shard).split(10):
            loss = nn.functional.mse_loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    writer.join()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
