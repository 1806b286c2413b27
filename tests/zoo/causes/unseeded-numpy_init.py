"""The weights of one layer come from numpy, as in the paper's code; only torch is seeded."""

# expect: not-reproducible cause=unseeded-numpy phase=init module=<root>|0|None line=16|24
import numpy as np
import torch
from torch import nn

torch.manual_seed(77)


class SirenLayer(nn.Module):
    def __init__(self, ins, outs, omega):
        super().__init__()
        self.omega = omega
        bound = np.sqrt(6 / ins) / omega
        values = np.random.uniform(-bound, bound, (outs, ins))  # fault
        self.weight = nn.Parameter(torch.tensor(values, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(outs))

    def forward(self, x):
        return torch.sin(self.omega * nn.functional.linear(x, self.weight, self.bias))


model = nn.Sequential(SirenLayer(2, 48, 30), nn.Linear(48, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
grid = torch.cartesian_prod(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24))
image = (grid.pow(2).sum(1, keepdim=True) < 0.5).float()
for _step in range(15):
    loss = nn.functional.mse_loss(model(grid), image)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
