"""The decoder decides with python's generator whether it sees the truth or its own output."""

# expect: not-reproducible cause=unseeded-python phase=forward module=<root>|None line=35
# args: --seed 3 --forcing 0.5
import argparse
import random

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--forcing", type=float, default=0.5)
args = parser.parse_args()
torch.manual_seed(args.seed)


class Reverser(nn.Module):
    def __init__(self, symbols=12, dim=32):
        super().__init__()
        self.embed = nn.Embedding(symbols + 1, dim)
        self.encoder = nn.GRU(dim, dim, batch_first=True)
        self.cell = nn.GRUCell(dim, dim)
        self.out = nn.Linear(dim, symbols)
        self.start = symbols

    def forward(self, source, target, forcing):
        _, state = self.encoder(self.embed(source))
        state = state[0]
        token = torch.full((len(source),), self.start)
        scores = []
        for position in range(target.shape[1]):
            state = self.cell(self.embed(token), state)
            scores.append(self.out(state))
            token = target[:, position] if random.random() < forcing else scores[-1].argmax(1)  # fault
        return torch.stack(scores, 1)


model = Reverser()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for _step in range(10):
    source = torch.randint(0, 12, (24, 8))
    target = source.flip(1)
    scores = model(source, target, args.forcing)
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), target.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
