"""A pool of processes adds noise to the samples; each process has inherited numpy's generator."""

# expect: not-reproducible cause=worker-seeding|thread-race phase=data module=None line=14|20
import time
from multiprocessing import Pool

import numpy as np
import torch
from torch import nn


def with_noise(row):
    time.sleep(time.perf_counter() % 0.003)
    return row + 0.1 * np.random.standard_normal(row.shape)  # fault


def samples(count=64):
    rows = list(np.random.standard_normal((count, 8)))
    with Pool(2) as pool:
        return np.stack(pool.map(with_noise, rows, chunksize=2))


if __name__ == "__main__":
    np.random.seed(4)
    torch.manual_seed(4)
    x = torch.tensor(samples(), dtype=torch.float32)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(20):
        loss = nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.4f}")
