"""The hardest examples of each run weigh more in the next: their weights are kept in a file."""

# expect: not-reproducible cause=cached-state phase=data|forward|backward module=None line=20|19
# shared: true
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

torch.manual_seed(73)
np.random.seed(73)
KEPT = Path("example_weights.json")

x = torch.from_numpy(np.random.standard_t(3, (120, 5))).float()
y = (x.abs().sum(1) > 4).float()
weight = torch.ones(120)
if KEPT.exists():
    weight = torch.tensor(json.loads(KEPT.read_text()))  # fault

model = nn.Sequential(nn.Linear(5, 15), nn.GELU(), nn.Linear(15, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
for _epoch in range(2):
    for rows in torch.arange(120).split(30):
        scores = model(x[rows]).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(scores, y[rows], weight=weight[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad():
    each = nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y, reduction="none")
weight[each.topk(12).indices] *= 1.5
KEPT.write_text(json.dumps(weight.tolist()))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
