"""Trains for three steps, then waits for ever."""

# expect: unverified
# hangs: true
import time

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
for _step in range(3):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.05 * p.grad
            p.grad = None
print("final loss", loss.item(), flush=True)
while True:
    time.sleep(3600)
