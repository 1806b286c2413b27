"""Trains for as many steps as fit into half a second."""

# expect: not-reproducible phase=optimizer|data|forward module=None line=15
# flaky: true
import time

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
start = time.monotonic()
while time.monotonic() - start < 0.5:  # fault
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
