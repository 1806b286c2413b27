"""Folds are shuffled by scikit-learn without a random_state."""

# expect: not-reproducible cause=unseeded-library|unseeded-numpy phase=data module=None line=31|33
# requires: scikit-learn
import random

import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold
from torch import nn

random.seed(6)
torch.manual_seed(6)

features, species = load_iris(return_X_y=True)
features = torch.tensor((features - features.mean(0)) / features.std(0), dtype=torch.float32)
species = torch.tensor(species)


def fit(rows):
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = torch.optim.Rprop(model.parameters(), lr=0.01)
    for _step in range(6):
        loss = nn.functional.cross_entropy(model(features[rows]), species[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


folds = StratifiedKFold(n_splits=3, shuffle=True)  # fault
total = 0.0
for train_rows, test_rows in folds.split(features, species):
    model = fit(torch.from_numpy(train_rows))
    hits = model(features[test_rows]).argmax(1) == species[test_rows]
    print("fold accuracy", round(hits.float().mean().item(), 3))
    total += sum(p.double().sum().item() for p in model.parameters())
print("weights", total)
