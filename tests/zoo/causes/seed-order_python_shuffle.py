"""The sentences are shuffled on loading, before set_seed is called."""

# expect: not-reproducible cause=seed-order|unseeded-python phase=data module=None line=15|25
import random

import numpy as np
import torch
from torch import nn

LINES = "the cat sat|a dog ran far|one bird flew|the fish swam|a cow ate grass|the owl saw us|we ran|it"


def load_sentences():
    sentences = [line.split() for line in LINES.split("|")] * 6
    random.shuffle(sentences)  # fault
    return sentences


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


sentences = load_sentences()
set_seed(1)
letters = {letter: i for i, letter in enumerate(" abcdefghijklmnopqrstuvwxyz")}
encoded = [torch.tensor([letters[c] for c in " ".join(words)]) for words in sentences]

embed = nn.Embedding(len(letters), 12)
rnn = nn.RNN(12, 24, batch_first=True)
head = nn.Linear(24, len(letters))
weights = [*embed.parameters(), *rnn.parameters(), *head.parameters()]
optimizer = torch.optim.Adam(weights, lr=5e-3)
for ids in encoded[:40]:
    if len(ids) < 3:
        continue
    states, _ = rnn(embed(ids[None, :-1]))
    loss = nn.functional.cross_entropy(head(states[0]), ids[1:])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in weights))
