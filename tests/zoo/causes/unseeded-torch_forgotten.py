"""Python and numpy are seeded, torch was forgotten: weights and batches are drawn unseeded."""

# expect: not-reproducible cause=unseeded-torch phase=init|data module=item_factors|user_factors|<root>|None line=20|21|33
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)


class Factorisation(nn.Module):
    def __init__(self, users, items, dim=8):
        super().__init__()
        self.user_factors = nn.Embedding(users, dim)  # fault
        self.item_factors = nn.Embedding(items, dim)
        self.item_bias = nn.Parameter(torch.zeros(items))

    def forward(self, user, item):
        return (self.user_factors(user) * self.item_factors(item)).sum(1) + self.item_bias[item]


def main():
    seed_all(99)
    users, items = np.random.randint(0, 40, 500), np.random.randint(0, 30, 500)
    ratings = ((users + items) % 5 + 1).astype("float32")
    dataset = TensorDataset(*map(torch.from_numpy, (users, items, ratings)))
    model = Factorisation(40, 30)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for user, item, rating in DataLoader(dataset, batch_size=50, shuffle=True):
        loss = nn.functional.mse_loss(model(user, item), rating)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
