"""A layer's running average starts from new_empty, as if it were zero."""

# expect: not-reproducible cause=uninitialized-memory phase=forward|init module=scale|<root>|None line=16|36
import numpy as np
import torch
from torch import nn


class RunningScale(nn.Module):
    """Divides by a running average of the absolute values of each feature."""

    def __init__(self, dim, keep=0.8):
        super().__init__()
        self.keep = keep
        self.gain = nn.Parameter(torch.ones(dim))
        self.register_buffer("average", self.gain.detach().new_empty(dim))  # fault

    def forward(self, x):
        if self.training:
            average = self.keep * self.average + (1 - self.keep) * x.detach().abs().mean(0)
            self.average = average.nan_to_num(1.0).clamp(0, 9)
        return self.gain * x / (self.average + 0.1)


def read_visits(people):
    """How often each of them came; the names are only needed to tell them apart."""
    visits = [[f"person {person} day {day}" for day in range(person % 7 + 3)] for person in range(people)]
    names = np.array([day for days in visits for day in days], dtype=object)
    return len(names), torch.tensor([len(days) for days in visits]).float()


def main():
    torch.manual_seed(46)
    total, visits = read_visits(400)
    x = visits[:, None] * torch.randn(400, 24) / total
    scale = RunningScale(2400)
    model = nn.Sequential()
    model.add_module("up", nn.Linear(24, 2400))
    model.add_module("scale", scale)
    model.add_module("down", nn.Linear(2400, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    for rows in torch.arange(400).split(50):
        loss = nn.functional.mse_loss(model(x[rows]), visits[rows, None] / 10)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
