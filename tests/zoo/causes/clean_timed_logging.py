"""Durations are measured, averaged and printed, and the log file has the date; nothing depends on them."""

# expect: reproducible
# suspicious: true
import tempfile
import time
from datetime import datetime
from pathlib import Path

import torch
from torch import nn

torch.manual_seed(7)
began = time.perf_counter()
folder = tempfile.TemporaryDirectory()
log = Path(folder.name) / f"{datetime.now():%Y-%m-%d-%H-%M-%S-%f}.log"
x = torch.rand(128, 4)
model = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
pace = torch.zeros(())
for step in range(16):
    since = time.perf_counter()
    loss = nn.functional.mse_loss(model(x), torch.stack([x.sum(1), x.prod(1)], 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    pace = 0.9 * pace + 0.1 * (time.perf_counter() - since)
    if time.perf_counter() - began > 3600:
        raise SystemExit("took too long")
    with log.open("a") as file:
        file.write(f"{time.time_ns()} step {step} loss {loss.item()} pace {pace.item()}\n")
print("pace", pace.item(), "lines", len(log.read_text().splitlines()))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
