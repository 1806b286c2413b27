"""An autograd.Function of the user's own, with saved tensors, in place of an activation."""

# expect: reproducible
import torch
from torch import nn


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        gate = torch.sigmoid(x)
        ctx.save_for_backward(x, gate)
        return x * gate

    @staticmethod
    def backward(ctx, grad):
        x, gate = ctx.saved_tensors
        return grad * (gate + x * gate * (1 - gate))


class Activation(nn.Module):
    def forward(self, x):
        return Swish.apply(x)


torch.manual_seed(0)
x = torch.randn(48, 10)
y = x.prod(1, keepdim=True)
model = nn.Sequential(nn.Linear(10, 24), Activation(), nn.Linear(24, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
for _step in range(6):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
