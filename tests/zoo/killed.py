"""Trains for three steps, then is killed by a signal."""

# expect: unverified
# exit: -9
import os
import signal

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
os.kill(os.getpid(), signal.SIGKILL)
