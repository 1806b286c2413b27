"""Word dropout from numpy, unseeded, and word numbers in the order of a set."""

# expect: not-reproducible cause=hash-order phase=data module=None line=23
# also: cause=unseeded-numpy line=27
import numpy as np
import torch
from torch import nn

torch.manual_seed(5)

REVIEWS = [
    ("a warm and funny film", 1),
    ("dull from start to end", 0),
    ("the cast is superb", 1),
    ("a waste of a good cast", 0),
    ("funny superb and moving", 1),
    ("start it and fall asleep", 0),
]


def build_index(texts):
    words = {word for text in texts for word in text.split()}
    return {word: number for number, word in enumerate(words, start=1)}  # fault


def word_dropout(ids, rate=0.2):
    dropped = np.random.rand(len(ids)) < rate  # fault
    return torch.where(torch.from_numpy(dropped), 0, ids)


index = build_index(text for text, _ in REVIEWS)
encoded = [(torch.tensor([index[word] for word in text.split()]), label) for text, label in REVIEWS]
embed = nn.EmbeddingBag(len(index) + 1, 12)
head = nn.Linear(12, 2)
optimizer = torch.optim.Adam([*embed.parameters(), *head.parameters()], lr=2e-2)
for _epoch in range(4):
    for ids, label in encoded:
        loss = nn.functional.cross_entropy(head(embed(word_dropout(ids)[None])), torch.tensor([label]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("weights", sum(p.double().sum().item() for p in [*embed.parameters(), *head.parameters()]))
