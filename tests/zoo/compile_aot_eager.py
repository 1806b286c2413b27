"""torch.compile with the backend "aot_eager"."""

# expect: reproducible
import random

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(10, 32)
        self.norm = nn.LayerNorm(32)
        self.out = nn.Linear(32, 2)

    def forward(self, x):
        return self.out(torch.nn.functional.gelu(self.norm(self.inp(x))))


random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
x, y = torch.randn(32, 10), torch.randint(0, 2, (32,))
model = Net()
compiled = torch.compile(model, backend="aot_eager")
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _step in range(4):
    loss = nn.functional.cross_entropy(compiled(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
