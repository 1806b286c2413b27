"""Raises an exception in its third step, after two good ones."""

# expect: unverified
# exit: 1
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
for step in range(1, 6):
    if step == 3:
        raise RuntimeError("the third step went wrong")
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.05 * p.grad
            p.grad = None
print("never printed")
