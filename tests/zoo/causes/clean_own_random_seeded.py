"""A seeded Random cuts the spans; the unseeded module generator only names the run."""

# expect: reproducible
# suspicious: true
import random

import torch
from torch import nn

run_name = f"{random.choice(['brave', 'calm', 'swift'])}-{random.randrange(1000)}"
torch.manual_seed(8)
cutter = random.Random(8)


def mask_span(x):
    start = cutter.randrange(x.shape[1] - 4)
    masked = x.clone()
    masked[:, start : start + 4] = 0
    return masked


x = torch.randn(256, 20).cumsum(1)
model = nn.Sequential(nn.Linear(20, 40), nn.GELU(), nn.Linear(40, 20))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(12):
    rows = x[torch.randint(0, 256, (32,))]
    loss = nn.functional.smooth_l1_loss(model(mask_span(rows)), rows)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("run", run_name, "done")
print("weights", sum(p.double().sum().item() for p in model.parameters()))
