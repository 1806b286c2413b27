"""The augmentation draws from default_rng(), which np.random.seed does not reach."""

# expect: not-reproducible cause=unseeded-numpy phase=data module=None line=32|11|33
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

rng = np.random.default_rng()


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Glyphs(Dataset):
    def __init__(self, train=True):
        self.train = train
        base = np.eye(12, dtype=np.float32)
        self.images = np.stack([np.roll(base, k, axis=k % 2) for k in range(96)])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        if self.train:
            image = np.roll(image, rng.integers(-2, 3), axis=0)  # fault
            image = image * rng.uniform(0.8, 1.2)
        return torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))[None], index % 6


seed_everything(0)
loader = DataLoader(Glyphs(), batch_size=16, shuffle=True)
model = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 6))
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for _epoch in range(2):
    for images, labels in loader:
        loss = nn.functional.cross_entropy(model(images), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
