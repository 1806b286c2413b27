"""Gradient clipping by norm and by value, with two parameter groups."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(50, 7) * 5
model = nn.Sequential(nn.Linear(7, 20), nn.ReLU(), nn.Linear(20, 1))
groups = [{"params": model[0].parameters(), "lr": 1e-2}, {"params": model[2].parameters(), "lr": 1e-3}]
optimizer = torch.optim.AdamW(groups, weight_decay=0.1)
for _step in range(6):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    nn.utils.clip_grad_value_(model.parameters(), 0.2)
    optimizer.step()
print("final loss", loss.item(), "norm", norm.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
