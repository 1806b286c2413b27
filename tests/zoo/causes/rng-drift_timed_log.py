"""Every few milliseconds the log shows a random sample, drawn from the generator that makes the batches."""

# expect: not-reproducible cause=rng-drift|wall-clock phase=data|forward module=None line=41|21|22|40
import time

import numpy as np
import torch
from torch import nn

np.random.seed(14)
torch.manual_seed(14)


class Progress:
    """Prints a line when enough time has passed."""

    def __init__(self, every):
        self.every, self.last = every, time.perf_counter()

    def due(self):
        now = time.perf_counter()
        if now - self.last < self.every:
            return False
        self.last = now
        return True


x = np.random.randn(500, 9).astype("float32")
y = x[:, :3].sum(1, keepdims=True) * x[:, 3:4]
model = nn.Sequential(nn.Linear(9, 40), nn.Tanh(), nn.Linear(40, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
progress = Progress(every=0.004)
for step in range(80):
    rows = np.random.choice(len(x), 32, replace=False)
    scores = model(torch.from_numpy(x[rows]))
    loss = nn.functional.mse_loss(scores, torch.from_numpy(y[rows]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if progress.due():
        shown = np.random.randint(len(rows))  # fault
        print(f"{step:3d} wanted {y[rows[shown], 0]:+.2f} got {scores[shown].item():+.2f}")
print("weights", sum(p.double().sum().item() for p in model.parameters()))
