"""The learning rate falls with the share of the time budget that has passed."""

# expect: not-reproducible cause=wall-clock phase=optimizer module=None line=20|32|34
# args: --minutes 0.05
import argparse
import math
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--minutes", type=float, default=60.0)
budget = 60 * parser.parse_args().minutes

torch.manual_seed(1729)


def progress(began):
    return min(1.0, (time.time() - began) / budget)  # fault


def set_rate(optimizer, share, peak=0.05):
    for group in optimizer.param_groups:
        group["lr"] = peak * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


tokens = torch.randint(0, 15, (400,)).cumsum(0) % 15
model = nn.Sequential(nn.Embedding(15, 12), nn.Flatten(), nn.Linear(36, 15))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
windows = tokens.unfold(0, 4, 1)
began = time.time()
for rows in windows.split(25):
    set_rate(optimizer, progress(began))
    loss = nn.functional.cross_entropy(model(rows[:, :3]), rows[:, 3])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
