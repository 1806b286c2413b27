"""Before each epoch, the batch size with the highest measured throughput is chosen."""

# expect: not-reproducible cause=wall-clock phase=data|forward module=None line=23|20|27|31
import time

import torch
from torch import nn

torch.manual_seed(64)
torch.set_num_threads(1)

x = torch.randn(480, 16)
y = (x.diff(dim=1) > 0).sum(1)
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)


@torch.no_grad()
def throughput(size):
    began = time.perf_counter()
    for rows in x[: 4 * size].split(size):
        model(rows)
    return 4 * size / (time.perf_counter() - began)  # fault


def best_size(candidates):
    return max(candidates, key=throughput)


for epoch in range(6):
    size = best_size(range(60, 121, 4))
    for xb, yb in zip(x.split(size), y.split(size), strict=True):
        loss = nn.functional.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "batches of", size, "loss", round(loss.item(), 2))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
