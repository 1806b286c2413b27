"""Seeded at the start, and then torch.seed() before each epoch, for fresh dropout."""

# expect: not-reproducible cause=unseeded-torch phase=data|forward module=None|2|<root> line=16|19|20
import torch
from torch import nn

torch.manual_seed(12)

x = torch.randn(240, 18)
y = x.abs().max(1).indices % 4
model = nn.Sequential(nn.Linear(18, 48), nn.ReLU(), nn.Dropout(0.3), nn.Linear(48, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train_one_epoch(epoch):
    torch.seed()  # fault
    model.train()
    seen = 0.0
    for rows in torch.randperm(len(x)).split(40):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += loss.item() * len(rows)
    return seen / len(x)


for epoch in range(3):
    print("epoch", epoch, "loss", round(train_one_epoch(epoch), 3))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
