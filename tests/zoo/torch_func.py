"""torch.func: functional_call with grad_and_value, and per-sample gradients by vmap."""

# expect: reproducible
import torch
from torch import nn
from torch.func import functional_call, grad, grad_and_value, vmap

torch.manual_seed(0)
x = torch.randn(32, 6)
y = x.pow(2).sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 1))
weights = {name: p.detach().clone() for name, p in model.named_parameters()}


def loss_of(weights, x, y):
    return nn.functional.mse_loss(functional_call(model, weights, (x,)), y)


for _step in range(6):
    grads, loss = grad_and_value(loss_of)(weights, x, y)
    each = vmap(grad(loss_of), in_dims=(None, 0, 0))(weights, x, y)
    scale = 1 / (1 + sum(g.flatten(1).pow(2).sum(1) for g in each.values()).sqrt().mean())
    weights = {name: p - 0.05 * scale * grads[name] for name, p in weights.items()}
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in weights.values()))
