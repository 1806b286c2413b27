"""A random run name, time stamps and a process id in the log, and none of them in the numbers."""

# expect: reproducible
# suspicious: true
import datetime
import os
import secrets
import tempfile
import time
import uuid

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
name = f"{uuid.uuid4().hex}-{secrets.token_hex(4)}"
began = time.perf_counter()
with tempfile.TemporaryDirectory(prefix=name) as folder:
    with open(os.path.join(folder, name), "w") as log:
        for _step in range(5):
            loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.write(f"{datetime.datetime.now()} {os.getpid()} {loss.item()}\n")
print("run", name, "took", time.perf_counter() - began)
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
