"""A table is split by np.random.permutation, and numpy is the one that nobody seeded."""

# expect: not-reproducible cause=unseeded-numpy phase=data module=None line=17
import random

import numpy as np
import torch
from torch import nn

random.seed(2024)
torch.manual_seed(2024)

hours = np.arange(600)
table = np.stack([np.sin(hours / 24), np.cos(hours / 24), hours / 600, (hours % 7 == 0)], axis=1)
demand = 3 + table @ np.array([1.0, -0.5, 2.0, 0.7])

order = np.random.permutation(len(table))  # fault
train_rows, test_rows = order[:480], order[480:]
x = torch.tensor(table[train_rows], dtype=torch.float32)
y = torch.tensor(demand[train_rows], dtype=torch.float32)

model = nn.Sequential(nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
optimizer = torch.optim.NAdam(model.parameters(), lr=5e-3)
for _epoch in range(3):
    for xb, yb in zip(x.split(60), y.split(60), strict=True):
        loss = nn.functional.huber_loss(model(xb).squeeze(1), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad():
    test = torch.tensor(table[test_rows], dtype=torch.float32)
    error = (model(test).squeeze(1) - torch.tensor(demand[test_rows])).abs().mean()
print("test error", error.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
