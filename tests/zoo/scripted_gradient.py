"""TorchScript code that asks for a gradient, as force fields do."""

# expect: reproducible
from typing import List

import torch
from torch import nn


@torch.jit.script
def slope(energy: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    total: List[torch.Tensor] = [energy.sum()]
    found = torch.autograd.grad(total, [where], create_graph=True)[0]
    assert found is not None
    return found


torch.manual_seed(3)
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(4):
    where = torch.randn(12, 3, requires_grad=True)
    loss = (slope(model(where), where) - where.detach()).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
