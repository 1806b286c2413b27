"""The model is built before the seed is set, and training ends at a deadline."""

# expect: not-reproducible cause=seed-order|unseeded-torch phase=init module=mix|first|<root>|None line=42|14|15|16
# also: cause=wall-clock line=33|31|43
import time

import torch
from torch import nn


class TwoTowers(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.first = nn.Linear(dim, 16)
        self.second = nn.Linear(dim, 16)
        self.mix = nn.Bilinear(16, 16, 1)

    def forward(self, left, right):
        return self.mix(torch.relu(self.first(left)), torch.relu(self.second(right)))


def batches(size):
    while True:
        left, right = torch.rand(size, 6), torch.rand(size, 6)
        yield left, right, (left * right).sum(1, keepdim=True)


def fit(model, seconds):
    torch.manual_seed(5)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    deadline = time.monotonic() + seconds
    for step, (left, right, wanted) in enumerate(batches(24)):
        if time.monotonic() > deadline:  # fault
            break
        loss = nn.functional.mse_loss(model(left, right), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("steps", step)


model = TwoTowers(6)  # fault
fit(model, seconds=0.4)
print("weights", sum(p.double().sum().item() for p in model.parameters()))
