"""Sets of strings for membership and counting, a hash for de-duplication, and sorted() before order counts."""

# expect: reproducible
# suspicious: true
from collections import Counter

import torch
from torch import nn

torch.manual_seed(19)
STOP = {"the", "a", "of", "and", "to"}
NOTES = ["the end of a long day", "a cup of tea and a cake", "to be and to do", "day of the cake"] * 8

seen, unique = set(), []
for position, note in enumerate(NOTES):
    key = hash((note, position % 10))
    if key not in seen:
        seen.add(key)
        unique.append(note)
words = sorted({word for note in unique for word in note.split()} - STOP)
number = {word: i for i, word in enumerate(words)}
counts = [Counter(word for word in note.split() if word not in STOP) for note in unique]
x = torch.zeros(len(unique), len(words))
for row, count in enumerate(counts):
    for word, times in count.items():
        x[row, number[word]] = times

model = nn.Sequential(nn.Linear(len(words), 10), nn.Tanh(), nn.Linear(10, len(words)))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _step in range(8):
    loss = nn.functional.poisson_nll_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("seen", list(seen)[:2])
print("weights", sum(p.double().sum().item() for p in model.parameters()))
