"""The gradients are scaled by an average that moves over a set of parameters, in the order of their addresses."""

# expect: not-reproducible phase=optimizer|backward module=None line=18
# alone: true
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(64, 24)
model = nn.Sequential(*[layer for _ in range(36) for layer in (nn.Linear(24, 24), nn.Tanh())])
shared = {p for layer in model for p in layer.parameters()}
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for _step in range(3):
    loss = (model(x) - x.roll(1, 0)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    total = torch.zeros(())
    for p in shared:  # fault
        total.mul_(0.9).add_(p.grad.pow(2).sum())
    for p in model.parameters():
        p.grad.mul_(0.5 / total.sqrt())
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
