"""Goes on from the embedding that an earlier run saved, and shuffles with python's unseeded generator."""

# expect: not-reproducible cause=cached-state phase=init|checkpoint|data|forward module=None|<root>|0 line=20|19|30
# also: cause=unseeded-python line=26|33
# shared: true
import os
import random

import numpy as np
import torch
from torch import nn

torch.manual_seed(27)
SAVED = "embedding.npy"


def make_embedding(rows, dim):
    table = nn.Embedding(rows, dim)
    if os.path.exists(SAVED):
        table.weight.data.copy_(torch.from_numpy(np.load(SAVED)))  # fault
    return table


def plays(count):
    listened = [(i * 7 % 30, i * i % 30) for i in range(count)]
    random.shuffle(listened)  # fault
    return torch.tensor(listened)


songs = make_embedding(30, 10)
head = nn.Linear(10, 30)
optimizer = torch.optim.SGD([*songs.parameters(), *head.parameters()], lr=0.3)
for rows in plays(200).split(20):
    loss = nn.functional.cross_entropy(head(songs(rows[:, 0])), rows[:, 1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
np.save(SAVED, songs.weight.detach().numpy())
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in [*songs.parameters(), *head.parameters()]))
