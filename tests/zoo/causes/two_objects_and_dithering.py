"""Trades are kept in a set of objects; amounts are blurred by an unseeded numpy generator."""

# expect: not-reproducible cause=address-order|hash-order phase=data module=None line=26|23|36
# also: cause=unseeded-numpy line=30|35
import numpy as np
import torch
from torch import nn


class Trade:
    """One trade; two trades are the same only if they are one object."""

    def __init__(self, number):
        self.amount = 10 + number * 13 % 90
        self.when = number / 800

    def features(self):
        return [self.amount / 100, self.when, self.amount * self.when / 100]


class Ledger:
    def __init__(self, count):
        self.open = {Trade(number) for number in range(count)}

    def table(self):
        return np.array([trade.features() for trade in self.open], dtype=np.float32)  # fault


def blur(table, rng):
    return table * rng.uniform(0.95, 1.05, table.shape)  # fault


def main():
    torch.manual_seed(9)
    rng = np.random.default_rng()
    table = Ledger(800).table()
    model = nn.Sequential(nn.Linear(3, 18), nn.SELU(), nn.Linear(18, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for part in np.array_split(table, 10):
        x = torch.from_numpy(blur(part, rng)).float()
        loss = nn.functional.mse_loss(model(x), torch.from_numpy(part))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
