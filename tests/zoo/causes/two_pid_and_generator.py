"""The fold is chosen by process id, and the noise comes from a torch.Generator that nobody seeds by hand."""

# expect: not-reproducible cause=env-dependence|os-entropy phase=data module=None line=25|30
# also: cause=unseeded-torch line=17|20
import os

import torch
from torch import nn

torch.manual_seed(94)


class Noise:
    def __init__(self, level):
        self.level = level
        self.generator = torch.Generator()
        self.generator.seed()  # fault

    def __call__(self, x):
        return x + self.level * torch.randn(x.shape, generator=self.generator)


def fold(x, parts):
    """Everything but one part, another one for each job."""
    left_out = os.getpid() % parts  # fault
    return torch.cat([part for number, part in enumerate(x.chunk(parts)) if number != left_out])


x = torch.randn(606, 5)
x = fold(x, parts=202)
noise = Noise(0.05)
model = nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 5))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(2):
    for rows in x.split(100):
        loss = nn.functional.mse_loss(model(noise(rows)), rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", round(loss.item(), 4))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
