"""Parameter groups come from sets of names: another order in each run, and the same weights."""

# expect: reproducible
# suspicious: true
import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 1))
named = dict(model.named_parameters())
decayed = {name for name, p in named.items() if p.ndim > 1}
rest = set(named) - decayed
optimizer = torch.optim.AdamW(
    [
        {"params": [named[name] for name in decayed], "weight_decay": 0.1},
        {"params": [named[name] for name in rest], "weight_decay": 0.0},
    ],
    lr=1e-2,
)
for _step in range(5):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
