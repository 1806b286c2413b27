"""Noise on the batches from numpy's global generator, which nobody seeded."""

# expect: not-reproducible phase=data module=None line=14
import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
clean = x
for _step in range(5):
    x = clean + torch.from_numpy(np.random.normal(0, 0.1, clean.shape)).float()  # fault
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
