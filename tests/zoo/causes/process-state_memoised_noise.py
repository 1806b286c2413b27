"""A memoised table of noise is drawn in the first call of train() only, so the second draws other numbers."""

# expect: reproducible
import functools

import torch
from torch import nn


@functools.cache
def noise_table(rows, columns):
    return torch.randn(rows, columns)


class Perturbed(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, 2)

    def forward(self, x):
        hidden = self.linear(x) + 0.1 * noise_table(*x.shape)
        return self.out(torch.relu(hidden))


def train():
    torch.manual_seed(66)
    model = Perturbed(9)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _step in range(7):
        x = torch.randn(20, 9)
        loss = nn.functional.cross_entropy(model(x), (x.sum(1) > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


if __name__ == "__main__":
    model = train()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))
