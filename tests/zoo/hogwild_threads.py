"""Threads that update shared weights without a lock."""

# expect: not-reproducible phase=optimizer module=None line=22
# alone: true
import threading

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 10)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))


def train(rank):
    draw = torch.Generator().manual_seed(rank)
    for _step in range(60):
        rows = torch.randint(0, 400, (16,), generator=draw)
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        for p, g in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True):
            p.data.add_(g, alpha=-0.05)  # fault


threads = [threading.Thread(target=train, args=(rank,)) for rank in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
