"""LBFGS, whose step calls the closure several times."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(60, 3)
y = torch.cos(x[:, :1]) + x[:, 1:2]
model = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    return loss


for _step in range(4):
    loss = optimizer.step(closure)
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
