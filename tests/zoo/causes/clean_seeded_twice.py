"""Seeded before the data is split, and once more before the model is built."""

# expect: reproducible
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(3)
x = torch.from_numpy(np.random.rand(200, 7)).float()
train, test = random_split(TensorDataset(x, x.argmax(1)), [160, 40])
warmed = [random.random() for _ in range(100)]

seed_everything(3)
model = nn.Sequential(nn.Linear(7, 21), nn.ReLU6(), nn.Dropout(0.2), nn.Linear(21, 7))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for xb, yb in DataLoader(train, batch_size=20, shuffle=True):
    loss = nn.functional.nll_loss(model(xb).log_softmax(1), yb)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
