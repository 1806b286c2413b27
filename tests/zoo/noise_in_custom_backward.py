"""An autograd.Function whose backward adds noise from numpy's unseeded generator."""

# expect: not-reproducible phase=backward module=1|0 line=16
import numpy as np
import torch
from torch import nn


class NoisyGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        noise = np.random.default_rng().normal(0, 1e-3, grad.shape)  # fault
        return grad + torch.from_numpy(noise).float()


class Noise(nn.Module):
    def forward(self, x):
        return NoisyGradient.apply(x)


torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), Noise(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _step in range(5):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
