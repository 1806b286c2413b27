"""Workers make their generators from the seed that torch gave them; process ids are only printed."""

# expect: reproducible
# suspicious: true
import os

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Clouds(Dataset):
    rng = None

    def __len__(self):
        return 80

    def __getitem__(self, index):
        return torch.from_numpy(self.rng.normal(index % 4, 1.0, (30, 3))).float(), index % 4


def init_worker(worker):
    Clouds.rng = np.random.default_rng(torch.initial_seed())
    print("worker", worker, "is process", os.getpid(), flush=True)


def main():
    torch.manual_seed(44)
    loader = DataLoader(Clouds(), batch_size=10, shuffle=True, num_workers=2, worker_init_fn=init_worker)
    each = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 24))
    head = nn.Linear(24, 4)
    optimizer = torch.optim.Adam([*each.parameters(), *head.parameters()], lr=3e-3)
    for cloud, kind in loader:
        loss = nn.functional.cross_entropy(head(each(cloud).amax(1)), kind)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in [*each.parameters(), *head.parameters()]))


if __name__ == "__main__":
    main()
