"""Several numpy generators, all spawned from one seed; numpy's global one is left alone."""

# expect: reproducible
import numpy as np
import torch
from torch import nn

root = np.random.SeedSequence(31)
for_split, for_noise, for_weights = (np.random.default_rng(seed) for seed in root.spawn(3))
torch.manual_seed(int(for_weights.integers(2**31)))

x = for_noise.standard_normal((300, 6))
y = (x[:, 0] * x[:, 1] > 0).astype("float32")
rows = for_split.permutation(300)[:240]
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
for part in np.array_split(rows, 12):
    noisy = x[part] + 0.05 * for_noise.standard_normal((len(part), 6))
    scores = model(torch.from_numpy(noisy).float()).squeeze(1)
    loss = nn.functional.binary_cross_entropy_with_logits(scores, torch.from_numpy(y[part]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
