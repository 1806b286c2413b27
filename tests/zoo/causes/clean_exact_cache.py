"""A cache that the first run writes and the next one reads gives the very bits that are computed otherwise."""

# expect: reproducible
# suspicious: true
# shared: true
import os

import torch
from torch import nn

torch.manual_seed(30)


def features(cache="features.pt"):
    if os.path.exists(cache):
        print("from the cache")
        return torch.load(cache)
    grid = torch.arange(2000, dtype=torch.float64).view(100, 20)
    computed = (grid.sin() * grid.sqrt()).float()
    torch.save(computed, cache)
    return computed


x = features()
with open("history.txt", "a") as history:
    history.write("one more run\n")
model = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 20))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for rows in x.split(20):
    loss = nn.functional.l1_loss(model(rows), rows)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
print("weights", sum(p.double().sum().item() for p in model.parameters()))
