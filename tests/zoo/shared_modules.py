"""One block used three times, and an output matrix tied to the embedding."""

# expect: reproducible
import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self, words=40, width=24):
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.block = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.Tanh())
        self.again = self.block
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids)
        x = self.block(x) + x
        x = self.again(x) + x
        return self.head(self.block(x))


torch.manual_seed(0)
model = Tied()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _step in range(6):
    ids = torch.randint(0, 40, (16, 9))
    loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
