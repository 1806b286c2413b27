"""Batches are prepared by a thread pool and used in the order in which they are ready."""

# expect: not-reproducible phase=data module=None line=23
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import torch
from torch import nn

torch.manual_seed(0)
data = torch.randn(96, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)


def prepare(start):
    time.sleep(time.time_ns() // 1000 % 7 / 500)
    return data[start : start + 8] * 2


with ThreadPoolExecutor(6) as pool:
    waiting = [pool.submit(prepare, start) for start in range(0, 96, 8)]
    for ready in as_completed(waiting):  # fault
        x = ready.result()
        loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
