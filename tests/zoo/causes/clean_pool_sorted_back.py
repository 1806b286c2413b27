"""Results come back unordered from a pool, with their numbers, and are put in order before use."""

# expect: reproducible
# suspicious: true
import queue
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import numpy as np
import torch
from torch import nn

torch.manual_seed(3)


def simulate(number):
    walk = np.random.default_rng(number).standard_normal(500 * (1 + number % 6)).cumsum()
    return number, walk[-10:].astype("float32")


with ThreadPool(4) as pool:
    walks = dict(pool.imap_unordered(simulate, range(60)))
x = torch.from_numpy(np.stack([walks[number] for number in range(60)]))

model = nn.Sequential(nn.LayerNorm(10), nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
losses = queue.Queue()
with ThreadPoolExecutor(2) as pool:
    for rows in pool.map(lambda start: x[start : start + 10], range(0, 60, 10)):
        loss = nn.functional.mse_loss(model(rows).squeeze(1), rows[:, -1] - rows[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.put(loss.item())
print("losses", losses.qsize())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
