"""Lazy layers, which get their parameters in the first forward."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(24, 1, 10, 10), torch.randint(0, 3, (24,))
model = nn.Sequential(nn.LazyConv2d(6, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
model(x)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _step in range(5):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
