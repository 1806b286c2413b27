"""A set numbers the words, python's unseeded generator shuffles, and the learning rate follows the clock."""

# expect: not-reproducible cause=hash-order phase=data module=None line=29
# also: cause=unseeded-python line=33
# also: cause=wall-clock line=39|45|48
import random
import time

import torch
from torch import nn

torch.manual_seed(3)

HEADLINES = """stocks fall as rates rise
team wins cup in final minute
rain expected in the north
bank cuts rates again
coach leaves team after cup defeat
storm closes roads in the west
profits rise at chip maker
striker out for the season
heat wave to end on monday"""


class Corpus:
    def __init__(self, headlines):
        self.items = [(line.split(), number % 3) for number, line in enumerate(headlines)]
        self.ids = {}
        for word in {word for words, _ in self.items for word in words}:  # fault
            self.ids[word] = len(self.ids)

    def epoch(self):
        random.shuffle(self.items)  # fault
        for words, topic in self.items:
            yield torch.tensor([[self.ids[word] for word in words]]), torch.tensor([topic])


def rate(began, first=0.5, half_life=0.2):
    return first * 0.5 ** ((time.perf_counter() - began) / half_life)  # fault


corpus = Corpus(HEADLINES.splitlines())
model = nn.Sequential(nn.EmbeddingBag(len(corpus.ids), 16), nn.Linear(16, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
began = time.perf_counter()
for _epoch in range(4):
    for ids, topic in corpus.epoch():
        optimizer.param_groups[0]["lr"] = rate(began)
        loss = nn.functional.cross_entropy(model(ids), topic)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
