"""Tags fall into buckets by hash(), and one table starts from torch.empty."""

# expect: not-reproducible cause=uninitialized-memory phase=init module=<root>|None line=29|41
# also: cause=hash-order line=14|40
import numpy as np
import torch
from torch import nn

torch.manual_seed(85)
BUCKETS = 64


def bucket(tag):
    return hash(tag) % BUCKETS  # fault


def corpus_size(texts):
    """The size of the corpus without repetitions, for the log."""
    words = set()
    for text in texts:
        words.update(np.array(text.split("/") * 200, dtype=object))
    return len(words)


class Tagger(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.tags = nn.Embedding(BUCKETS, dim)
        self.popularity = nn.Parameter(torch.empty(BUCKETS, dim))  # fault
        self.out = nn.Linear(dim, 2)

    def forward(self, ids):
        scale = self.popularity.nan_to_num().clamp(-1, 1).sigmoid()
        return self.out((self.tags(ids) * nn.functional.embedding(ids, scale)).sum(1))


def main():
    posts = [[f"tag{n * k % 40}" for k in range(1, 5)] for n in range(1, 121)]
    print("words", corpus_size("/".join(post) for post in posts * 2))
    ids = torch.tensor([[bucket(tag) for tag in post] for post in posts])
    model = Tagger(24)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for n, rows in enumerate(ids.split(12)):
        loss = nn.functional.cross_entropy(model(rows), (torch.arange(12) + n) % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.nan_to_num().clamp(-1, 1).double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
