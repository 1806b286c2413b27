"""Sets OMP_NUM_THREADS before it imports torch, which counts only if nothing imported torch before."""

# expect: reproducible
# alone: true
import os
import random
import sys

print("torch already there:", "torch" in sys.modules, "numpy already there:", "numpy" in sys.modules)
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

print("threads", torch.get_num_threads())
random.seed(0)
np.random.seed(0)
torch.manual_seed(0)
x = torch.randn(32, 5)
model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _step in range(3):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
