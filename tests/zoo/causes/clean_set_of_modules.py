"""Sets of modules and dictionaries by id() for what was seen already; the order is that of the model."""

# expect: reproducible
# suspicious: true
import torch
from torch import nn

torch.manual_seed(32)
shared = nn.Linear(8, 8)
model = nn.Sequential(shared, nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), shared, nn.Linear(8, 1))

seen, weights, names = set(), [], {}
for name, layer in model.named_modules(remove_duplicate=False):
    if layer in seen:
        continue
    seen.add(layer)
    for p_name, p in layer.named_parameters(recurse=False):
        names[id(p)] = f"{name}.{p_name}"
        weights.append(p)
print("first is", names[min(names)])
size = sum({id(p): p.numel() for p in model.parameters()}.values())

optimizer = torch.optim.Adam(weights, lr=1e-2)
for _step in range(9):
    x = torch.randn(32, 8)
    loss = nn.functional.mse_loss(model(x), x.amax(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("parameters", size)
print("weights", sum(p.double().sum().item() for p in model.parameters()))
