"""The bytes of names are copied into np.empty; what is beyond their end is read all the same."""

# expect: not-reproducible cause=uninitialized-memory phase=data module=None line=24|46
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(20)
LENGTH = 120


def count_words(text):
    words = np.array(text.split(), dtype=object)
    return len(words), len(set(words))


notes = [" ".join(f"step {k} of walk {n}" for k in range(n, n + 36)) for n in range(96)]
longest = max(count_words(note) for note in notes)
names = [(f"{'north' if n % 3 else 'south'} of {n * n} and {n}", n % 3) for n in range(len(notes))]


def pad(batch):
    padded = np.empty((len(batch), LENGTH), dtype=np.uint8)  # fault
    for row, (name, _) in enumerate(batch):
        letters = np.frombuffer(name.encode(), dtype=np.uint8)
        padded[row, : len(letters)] = letters
    return torch.from_numpy(padded).long(), torch.tensor([kind for _, kind in batch])


class ByteModel(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.embed = nn.Embedding(256, dim)
        self.pairs = nn.Linear(2 * dim, dim)
        self.head = nn.Linear(dim, 3)

    def forward(self, letters):
        embedded = self.embed(letters)
        pairs = self.pairs(torch.cat([embedded[:, :-1], embedded[:, 1:]], 2))
        return self.head(pairs.relu().mean(1))


model = ByteModel()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for letters, kinds in DataLoader(names, batch_size=12, collate_fn=pad):
    loss = nn.functional.cross_entropy(model(letters), kinds)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("longest", longest, "loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
