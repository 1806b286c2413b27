"""Shards are listed as the file system has them; workers seed themselves by process id."""

# expect: not-reproducible cause=fs-order phase=data module=None line=42
# also: cause=worker-seeding|env-dependence|os-entropy line=35|24
import os
import tempfile
import uuid

import numpy as np
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset


class Shard(Dataset):
    def __init__(self, path):
        self.rows = np.load(path)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        scaled = row * np.random.uniform(0.9, 1.1)
        return torch.from_numpy(scaled).float(), torch.tensor(row.mean() > 0).long()


def export(folder):
    for shard in range(12):
        rows = np.random.RandomState(shard).randn(10, 8) + (shard - 5.5) / 6
        np.save(os.path.join(folder, f"shard{shard:02d}_{uuid.uuid4().hex}.npy"), rows)


def seed_worker(worker):
    np.random.seed(os.getpid())  # fault


def main():
    torch.manual_seed(68)
    with tempfile.TemporaryDirectory() as folder:
        export(folder)
        shards = [Shard(entry.path) for entry in os.scandir(folder)]  # fault
    loader = DataLoader(ConcatDataset(shards), batch_size=20, num_workers=2, worker_init_fn=seed_worker)
    model = nn.Sequential(nn.Linear(8, 24), nn.Softsign(), nn.Linear(24, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
