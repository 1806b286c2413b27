"""Threads prepare batches and update one running mean, read and written without a lock."""

# expect: not-reproducible cause=thread-race|completion-order phase=data module=None line=20|21|22|30|31
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import nn


class Normaliser:
    """Brings batches to the mean and scale of what was seen so far, by all threads together."""

    def __init__(self, dim):
        self.mean, self.scale = np.zeros(dim), np.ones(dim)

    def __call__(self, number):
        rng = np.random.default_rng(number)
        batch = rng.gamma(2.0, 1.0, (1500 + 2500 * (number % 3), 6)).cumsum(0)[-32:]
        self.mean = 0.9 * self.mean + 0.1 * batch.mean(0)  # fault
        self.scale = 0.9 * self.scale + 0.1 * batch.std(0)
        return torch.from_numpy((batch - self.mean) / self.scale).float()


def main():
    torch.manual_seed(35)
    normalise = Normaliser(6)
    model = nn.Sequential(nn.Linear(6, 4), nn.ELU(), nn.Linear(4, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with ThreadPoolExecutor(4) as pool:
        for x in pool.map(normalise, range(90)):
            loss = nn.functional.mse_loss(model(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
