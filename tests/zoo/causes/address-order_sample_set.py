"""Samples are objects without a hash of their own, kept in a set: its order is that of their addresses."""

# expect: not-reproducible cause=address-order|hash-order phase=data module=None line=27|19|21
import torch
from torch import nn


class Sample:
    def __init__(self, turns, label):
        self.turns, self.label = turns, label

    def tensor(self):
        t = torch.linspace(0, 1, 14)
        return torch.sin(6.28 * t * self.turns)


def collect(count):
    """All samples, each once."""
    collected = set()
    for number in range(count):
        collected.add(Sample(0.5 + number % 37 / 9, number % 37 // 13))
    return collected


def main():
    torch.manual_seed(28)
    samples = [(sample.tensor(), sample.label) for sample in collect(700)]  # fault
    model = nn.Sequential(nn.Linear(14, 28), nn.ReLU(), nn.Linear(28, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for start in range(0, 700, 70):
        x, y = zip(*samples[start : start + 70], strict=True)
        loss = nn.functional.cross_entropy(model(torch.stack(x)), torch.tensor(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
