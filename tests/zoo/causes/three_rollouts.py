"""Rollouts as they finish, a random start from numpy's unseeded generator, and a torch seed set too late."""

# expect: not-reproducible cause=seed-order|unseeded-torch phase=init|data module=0|<root>|None line=31
# also: cause=unseeded-numpy line=24
# also: cause=completion-order line=26|36
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import torch
from torch import nn


def pendulum(angle, push, steps):
    """Swing for a while, and say where it was at the end."""
    speed, path = 0.0, []
    for step in range(steps):
        speed += 0.05 * (np.sin(angle) + push * np.cos(step / 10))
        angle += 0.05 * speed
        path.append((np.cos(angle), np.sin(angle), speed))
    return torch.tensor(path[-20:], dtype=torch.float32)


def rollouts(pool, count):
    starts = np.random.uniform(-1, 1, count)  # fault
    jobs = [pool.submit(pendulum, start, 0.3, 200 + 300 * (k % 4)) for k, start in enumerate(starts)]
    for job in as_completed(jobs):  # fault
        yield job.result()


def main():
    model = nn.Sequential(nn.Linear(3, 30), nn.Tanh(), nn.Linear(30, 3))  # fault
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    torch.manual_seed(57)
    with ThreadPoolExecutor(4) as pool:
        for _round in range(2):
            for path in rollouts(pool, 12):
                noisy = path[:-1] + 0.01 * torch.randn(19, 3)
                loss = nn.functional.mse_loss(model(noisy), path[1:])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
