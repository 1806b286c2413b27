"""Support ticket router; the vocabulary is kept between runs and grows with new words."""

# expect: not-reproducible cause=cached-state phase=init module=bag line=50|49
# shared: true
import pickle
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn

QUEUES = ["billing", "login", "hardware", "shipping"]


def tickets(n, seed, drift=0):
    """Texts of tickets: each queue has words of its own, later tickets use newer ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        q = int(rng.integers(len(QUEUES)))
        words = [f"{QUEUES[q]}{rng.integers(12) + drift}" for _ in range(4)]
        words += [f"word{rng.integers(40)}" for _ in range(6)]
        rows.append((" ".join(words), q))
    return rows


class Vocabulary:
    UNK = 0

    def __init__(self):
        self.index = {"<unk>": self.UNK}

    def encode(self, text, grow=False):
        if grow:
            for w in text.split():
                self.index.setdefault(w, len(self.index))
        return [self.index.get(w, self.UNK) for w in text.split()]

    def save(self, path):
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as f:
            pickle.dump(self.index, f)

    @classmethod
    def load_or_new(cls, path):
        vocab = cls()
        if path.exists():
            with path.open("rb") as f:
                vocab.index = pickle.load(f)  # fault
        return vocab


class Router(nn.Module):
    def __init__(self, words, dim=24):
        super().__init__()
        self.bag = nn.EmbeddingBag(words, dim, mode="mean")
        self.hidden = nn.Linear(dim, 32)
        self.queue = nn.Linear(32, len(QUEUES))

    def forward(self, ids):
        return self.queue(torch.relu(self.hidden(self.bag(ids))))


def main():
    random.seed(2)
    np.random.seed(2)
    torch.manual_seed(2)
    cache = Path(".cache") / "ticket_vocab.pkl"
    vocab = Vocabulary.load_or_new(cache)
    train = tickets(400, seed=1)
    ids = torch.tensor([vocab.encode(t, grow=True) for t, _ in train])
    labels = torch.tensor([q for _, q in train])

    model = Router(len(vocab.index))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(3):
        for rows in torch.randperm(len(ids)).split(40):
            loss = nn.functional.cross_entropy(model(ids[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")

    incoming = tickets(100, seed=50, drift=6)
    with torch.no_grad():
        guess = model(torch.tensor([vocab.encode(t) for t, _ in incoming])).argmax(1)
    print("accuracy on new tickets", (guess == torch.tensor([q for _, q in incoming])).float().mean().item())
    for text, _ in incoming:
        vocab.encode(text, grow=True)
    vocab.save(cache)
    print("weights", sum(p.detach().double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
