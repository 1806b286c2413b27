"""Batches in the order of a set of small integers, which does not depend on the hash seed."""

# expect: reproducible
# suspicious: true
import torch
from torch import nn

torch.manual_seed(0)
data = torch.randn(64, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
chosen = {row * 7 % 64 for row in range(40)}
for row in chosen:
    if row % 5 == 0:
        x = data[row : row + 8]
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
