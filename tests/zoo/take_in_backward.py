"""The backward of take: put with accumulation into a small table, from many threads."""

# expect: not-reproducible phase=backward module=0 line=14
import torch
from torch import nn


class Table(nn.Module):
    def __init__(self, entries):
        super().__init__()
        self.values = nn.Parameter(torch.randn(entries))

    def forward(self, rows):
        return torch.take(self.values, rows)  # fault


torch.manual_seed(0)
torch.set_num_threads(8)  # more threads than cores: the race is lost in practically every run
rows = torch.randint(0, 50, (20000, 20))
wanted = torch.randn(20000, 1)
model = nn.Sequential(Table(50), nn.Linear(20, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _step in range(12):
    loss = (model(rows) - wanted).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
