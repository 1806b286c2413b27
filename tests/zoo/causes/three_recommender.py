"""Negatives from secrets, item rows by hash(), and a fancy-indexed table whose gradient many threads add up."""

# expect: not-reproducible cause=hash-order phase=data module=None line=17|36
# also: cause=os-entropy line=21|41
# also: cause=nondeterministic-op line=32|33|44
import secrets

import torch
from torch import nn

torch.manual_seed(48)
torch.set_num_threads(8)
ITEMS, DIM = 53, 32


def row_of(title):
    return hash(title) % ITEMS  # fault


def negatives(count):
    pool = bytearray(secrets.token_bytes(count))  # fault
    return torch.frombuffer(pool, dtype=torch.uint8)[:count].long() % ITEMS


class Scores(nn.Module):
    def __init__(self):
        super().__init__()
        self.items = nn.Parameter(torch.randn(ITEMS, DIM) / 4)
        self.context = nn.GRU(DIM, DIM, batch_first=True)

    def forward(self, history, liked, other):
        state = self.context(self.items[history])[1][0]  # fault
        return ((self.items[liked] - self.items[other]) * state).sum(1)


sessions = [[row_of(f"title {n * k % 71}") for k in range(1, 10)] for n in range(1, 1201)]
sessions = torch.tensor(sessions)
model = Scores()
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
for part in sessions.split(200):
    scores = model(part[:, :-1], part[:, -1], negatives(len(part)))
    loss = -nn.functional.logsigmoid(scores).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
