"""Training as usual; scoring by a thread pool whose results are taken in order of submission."""

# expect: reproducible
# suspicious: true
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(96, 6)
y = x.prod(1, keepdim=True)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def score(part):
    with torch.no_grad():
        return nn.functional.mse_loss(model(x[part]), y[part]).item()


for _epoch in range(3):
    for rows in torch.randperm(96).split(32):
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with ThreadPoolExecutor(3) as pool:
        scores = list(pool.map(score, torch.arange(96).split(16)))
    print("scores", sum(scores))
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
