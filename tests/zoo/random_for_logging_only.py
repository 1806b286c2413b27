"""Python's generator is not seeded, and decides only which lines are logged."""

# expect: reproducible
# suspicious: true
import random
import tempfile

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
log = tempfile.TemporaryFile("w")
for step in range(6):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if random.random() < 0.5:
        log.write(f"step {step} loss {loss.item()}\n")
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
