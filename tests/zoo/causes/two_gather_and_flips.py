"""Images are mirrored by an unseeded Random; the loss reads a table by fancy indexing on many threads."""

# expect: not-reproducible cause=unseeded-python phase=data module=None line=16|12
# also: cause=nondeterministic-op line=32|44
import random

import torch
from torch import nn

torch.manual_seed(82)
torch.set_num_threads(8)
coin = random.Random()


def mirror(images):
    flipped = [image.flip(-1) if coin.random() < 0.5 else image for image in images]  # fault
    return torch.stack(flipped)


class Quantised(nn.Module):
    """Each pixel becomes the vector of its grey level."""

    def __init__(self, levels, dim):
        super().__init__()
        self.levels = levels
        self.code = nn.Parameter(torch.randn(levels, dim))
        self.head = nn.Linear(dim, 3)

    def forward(self, images):
        level = (images * self.levels).long().clamp(max=self.levels - 1).flatten(1)
        place = torch.linspace(0, 1, level.shape[1]).view(1, -1, 1)
        vectors = self.code[level] * place  # fault
        return self.head(vectors.mean(1))


pictures = torch.rand(64, 20, 20)
labels = (3 * pictures[:, :, :10].mean((1, 2)) - 1.4).clamp(0, 0.2).mul(10).long()
model = Quantised(16, 12)
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
for _epoch in range(3):
    for rows in torch.arange(64).split(16):
        loss = nn.functional.cross_entropy(model(mirror(pictures[rows])), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
