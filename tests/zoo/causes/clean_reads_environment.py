"""Reads the process id, the host, the cores and a variable, and uses them for the log and a lock file."""

# expect: reproducible
# suspicious: true
import os
import platform
import tempfile

import torch
from torch import nn

torch.manual_seed(int(os.environ.get("CLEAN_PROGRAM_SEED", "42")))
print("process", os.getpid(), "of", os.getppid(), "on", platform.node(), "with", os.cpu_count(), "cores")
torch.set_num_threads(min(2, os.cpu_count()))

with tempfile.TemporaryDirectory() as folder:
    lock = os.path.join(folder, f"train-{os.getpid()}.lock")
    with open(lock, "w") as file:
        file.write(f"{os.getpid()} {os.getcwd()}")
    x = torch.randn(90, 7)
    model = nn.Sequential(nn.Linear(7, 7), nn.Hardtanh(), nn.Linear(7, 1))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2)
    for rows in x.split(15):
        loss = nn.functional.mse_loss(model(rows), rows.median(1, keepdim=True).values)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    os.remove(lock)
print("weights", sum(p.double().sum().item() for p in model.parameters()))
