"""Batch normalisation: buffers that change in forward."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv1d(2, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 2)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _step in range(6):
    x = torch.randn(32, 2, 20)
    loss = nn.functional.cross_entropy(model(x), (x.mean((1, 2)) > 0).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("buffers", sum(b.double().sum().item() for b in model.buffers()))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
