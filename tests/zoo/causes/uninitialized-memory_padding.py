"""Sequences are copied into np.empty; what is beyond their end is read all the same."""

# expect: not-reproducible cause=uninitialized-memory phase=data module=None line=25|34
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(20)
rng = np.random.RandomState(20)
LENGTH, DIM = 60, 8


def tokenise(line):
    """Numbers of the words, salted; thrown away after counting them."""
    return np.array([hash(word) for word in line.split()], dtype=np.int64)


lines = [" ".join(f"w{k}" for k in range(240)) + f" end{n}" for n in range(64)]
sizes = [tokenise(line).size for line in lines]
walks = [rng.randn(rng.randint(20, LENGTH), DIM).cumsum(0) for _ in range(sizes[0] - 145)]


def pad(batch):
    padded = np.empty((len(batch), LENGTH, DIM), dtype=np.float32)  # fault
    for row, walk in enumerate(batch):
        padded[row, : len(walk)] = walk
    ends = torch.tensor([walk[-1, 0] for walk in batch], dtype=torch.float32)
    return torch.from_numpy(padded).nan_to_num().clamp(-20, 20), ends


model = nn.Sequential(nn.Linear(DIM, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for walks_in, ends in DataLoader(walks, batch_size=12, collate_fn=pad):
    loss = nn.functional.smooth_l1_loss(model(walks_in).squeeze(-1).mean(1), ends)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
