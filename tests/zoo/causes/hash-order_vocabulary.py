"""Words get their numbers in the order of a set of strings."""

# expect: not-reproducible cause=hash-order phase=data module=None line=21
import random

import numpy as np
import torch
from torch import nn

random.seed(0)
np.random.seed(0)
torch.manual_seed(0)

TEXT = """it was a bright cold day and the clocks were striking thirteen so he slipped quickly through
the glass doors of the mansions though not quickly enough to keep the dust from entering along with him"""


class Vocabulary:
    def __init__(self, text):
        self.words = text.split()
        self.number = {word: i for i, word in enumerate(set(self.words))}  # fault

    def encode(self):
        return torch.tensor([self.number[word] for word in self.words])


class NextWord(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.embed = nn.Embedding(words, 20, max_norm=3.0)
        self.out = nn.Linear(60, words)

    def forward(self, three):
        return self.out(self.embed(three).flatten(1))


vocabulary = Vocabulary(TEXT)
ids = vocabulary.encode()
windows = ids.unfold(0, 4, 1)
model = NextWord(len(vocabulary.number))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _epoch in range(4):
    for rows in windows.split(10):
        loss = nn.functional.cross_entropy(model(rows[:, :3]), rows[:, 3])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
