"""Negative examples are picked with secrets.randbelow, which no seed reaches."""

# expect: not-reproducible cause=os-entropy phase=data module=None line=16|39
import random
import secrets

import torch
from torch import nn

random.seed(21)
torch.manual_seed(21)
WORDS = 60


def pick_negatives(count):
    return [secrets.randbelow(WORDS) for _ in range(count)]  # fault


class SkipGram(nn.Module):
    def __init__(self, words, dim):
        super().__init__()
        self.inner = nn.Embedding(words, dim)
        self.outer = nn.Embedding(words, dim)
        nn.init.zeros_(self.outer.weight)

    def forward(self, centre, context, negatives):
        centre = self.inner(centre)
        near = (centre * self.outer(context)).sum(-1)
        far = torch.einsum("bd,bnd->bn", centre, self.outer(negatives))
        return -nn.functional.logsigmoid(near).mean() - nn.functional.logsigmoid(-far).mean()


text = [random.randrange(WORDS) for _ in range(400)]
model = SkipGram(WORDS, 16)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for start in range(0, 360, 40):
    centre = torch.tensor(text[start : start + 40])
    context = torch.tensor(text[start + 1 : start + 41])
    negatives = torch.tensor([pick_negatives(3) for _ in range(40)])
    loss = model(centre, context, negatives)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
