"""Message passing on a random graph by index_add, which is deterministic on CPU."""

# expect: reproducible
import torch
from torch import nn


class Convolution(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.message = nn.Linear(inputs, outputs)
        self.own = nn.Linear(inputs, outputs)

    def forward(self, x, source, goal):
        received = torch.zeros(x.shape[0], self.own.out_features)
        return self.own(x) + received.index_add(0, goal, self.message(x)[source]) / 8


class Graph(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Convolution(8, 16)
        self.second = Convolution(16, 3)

    def forward(self, x, edges):
        return self.second(torch.relu(self.first(x, *edges)), *edges)


torch.manual_seed(0)
x = torch.randn(120, 8)
edges = torch.randint(0, 120, (2, 900))
labels = torch.randint(0, 3, (120,))
model = Graph()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _step in range(6):
    loss = nn.functional.cross_entropy(model(x, edges), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
