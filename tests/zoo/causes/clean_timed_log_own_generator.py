"""The log shows samples by the clock, picked by a generator of its own and under preserved states."""

# expect: reproducible
# suspicious: true
import random
import time

import torch
from torch import nn

random.seed(2)
torch.manual_seed(2)
for_log = random.Random()
x = torch.randn(400, 6)
y = x.prod(1, keepdim=True)
model = nn.Sequential(nn.Linear(6, 30), nn.Dropout(0.1), nn.ReLU(), nn.Linear(30, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
last, shown = time.monotonic(), 0
for _step in range(60):
    rows = random.sample(range(400), 20)
    loss = nn.functional.mse_loss(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if time.monotonic() - last > 0.004:
        state = torch.get_rng_state()
        with torch.no_grad():
            torch.bernoulli(x[for_log.choice(rows)].sigmoid())
        torch.set_rng_state(state)
        last, shown = time.monotonic(), shown + 1
print("shown", shown)
print("weights", sum(p.double().sum().item() for p in model.parameters()))
