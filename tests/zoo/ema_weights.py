"""An exponential moving average of the weights, kept beside the model and evaluated."""

# expect: reproducible
import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 4)
y = x.norm(dim=1, keepdim=True)
model = nn.Sequential(nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, 1))
average = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for _step in range(8):
    loss = nn.functional.l1_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for kept, new in zip(average.parameters(), model.parameters(), strict=True):
            kept.lerp_(new, 0.1)
print("final loss", loss.item(), nn.functional.l1_loss(average(x), y).item())
print("weights", sum(p.double().sum().item() for p in average.parameters()))
