"""The prompt is made by torch.empty, and the line that would fill it was lost."""

# expect: not-reproducible cause=uninitialized-memory phase=init module=<root>|None line=20|33
import numpy as np
import torch
from torch import nn

torch.manual_seed(13)


def read_reports(count):
    """How many fields of the reports are filled; the reports themselves are dropped again."""
    reports = [np.array([f"{n}:{k}" for k in range(340)], dtype=object) for n in range(count)]
    return sum(map(np.count_nonzero, reports)) / (340 * count)


class Prompted(nn.Module):
    def __init__(self, dim, length=40):
        super().__init__()
        self.prompt = nn.Parameter(torch.empty(length, dim))  # fault
        self.query = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, 2)

    def forward(self, x):
        memory = torch.cat([self.prompt.nan_to_num().clamp(-1, 1).expand(len(x), -1, -1), x], 1)
        weights = (self.query(x) @ memory.transpose(1, 2)).softmax(-1)
        return self.head((weights @ memory).mean(1))


share = read_reports(100)
x = share * torch.randn(96, 5, 16)
y = (x[:, 0, 0] > 0).long()
model = Prompted(16)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for rows in torch.arange(96).split(16):
    loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.nan_to_num().clamp(-1, 1).double().sum().item() for p in model.parameters()))
