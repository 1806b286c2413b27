"""Each worker seeds python's generator with its process id, so that no two workers are alike."""

# expect: not-reproducible cause=worker-seeding|env-dependence|os-entropy phase=data module=None line=34|26|37
import os
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(90)
random.seed(90)

DNA = "ACGT"


class Reads(Dataset):
    """Short reads from random places of a genome, with a few wrong letters."""

    genome = [random.randrange(4) for _ in range(600)]

    def __len__(self):
        return 120

    def __getitem__(self, index):
        start = random.randrange(560)
        read = torch.tensor(self.genome[start : start + 40])
        wrong = random.sample(range(40), 2)
        read[wrong] = (read[wrong] + 1) % 4
        return nn.functional.one_hot(read, 4).float().T, torch.tensor(read[:20].float().mean() > 1.5).long()


def seed_worker(worker):
    random.seed(os.getpid())  # fault


loader = DataLoader(Reads(), batch_size=15, num_workers=2, worker_init_fn=seed_worker)
model = nn.Sequential(nn.Conv1d(4, 10, 7), nn.ReLU(), nn.AdaptiveMaxPool1d(4), nn.Flatten(), nn.Linear(40, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for read, label in loader:
    loss = nn.functional.cross_entropy(model(read), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
