"""As much of the data is taken as a share of the memory that happens to be free."""

# expect: not-reproducible cause=env-dependence phase=data module=None line=15|19
import os

import torch
from torch import nn

torch.manual_seed(44)
BYTES_PER_ROW = 6 * 4


def rows_that_fit(share):
    page = os.sysconf("SC_PAGE_SIZE")
    free = os.sysconf("SC_AVPHYS_PAGES") * page  # fault
    return int(free * share) // BYTES_PER_ROW


rows = rows_that_fit(share=1e-4)
t = torch.arange(rows) / rows
data = torch.stack([(t * k).sin() for k in range(1, 7)], 1)
print("took", rows, "rows")

mean, std = data.mean(0), data.std(0)
model = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 6))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for part in data.chunk(8):
    x = ((part - mean) / std)[:: len(part) // 100]
    loss = nn.functional.mse_loss(model(x), x.roll(1, 0))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
