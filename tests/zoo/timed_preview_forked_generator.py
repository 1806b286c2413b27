"""A preview that runs when enough time has passed, with torch's generator put back afterwards."""

# expect: reproducible
# suspicious: true
import time

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(320, 5)
y = x.sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(5, 48), nn.Dropout(0.2), nn.Linear(48, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
last = time.perf_counter()
for _epoch in range(3):
    for rows in torch.randperm(320).split(16):
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if time.perf_counter() - last > 0.003:
            with torch.random.fork_rng(), torch.no_grad():
                model(x + torch.randn_like(x)).mean().item()
            last = time.perf_counter()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
