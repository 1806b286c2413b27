"""A large table is read by x[rows]; its gradient is added up by many threads at once."""

# expect: not-reproducible cause=nondeterministic-op phase=backward module=table|<root>|0 line=21|32|44
import torch
from torch import nn


class HashGrid(nn.Module):
    """Features on a coarse grid, four corners for each point, as in neural fields."""

    def __init__(self, side, dim):
        super().__init__()
        self.side = side
        self.cells = nn.Parameter(0.1 * torch.randn(side * side, dim))

    def forward(self, points):
        corner = (points * (self.side - 1)).long()
        total = 0
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            rows = (corner[:, 0] + dx) * self.side + corner[:, 1] + dy
            total = total + self.cells[rows]  # fault
        return total


class Field(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = HashGrid(6, 16)
        self.head = nn.Linear(16, 1)

    def forward(self, points):
        return self.head(torch.relu(self.table(points)))


torch.manual_seed(15)
torch.set_num_threads(8)
model = Field()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for _step in range(10):
    points = torch.rand(8000, 2) * 0.99
    wanted = (20 * points[:, :1] * points[:, 1:]).sin()
    loss = nn.functional.mse_loss(model(points), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
