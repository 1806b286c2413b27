"""Forks after two steps; parent and child train on, the child leaves by os._exit."""

# expect: reproducible
import os

import torch
from torch import nn


def train(steps):
    for _step in range(steps):
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
train(2)
child = os.fork()
if child == 0:
    torch.manual_seed(1)
    x = torch.randn(32, 5)
    print("child loss", train(3), flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print("child status", status)
print("final loss", train(2))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
