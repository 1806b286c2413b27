"""Scattering by index_add, scatter_add and embedding on many threads: each always adds in the same order."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(24)
torch.set_num_threads(8)


class Pooling(nn.Module):
    def __init__(self, nodes, dim):
        super().__init__()
        self.nodes = nodes
        self.kind = nn.Embedding(10, dim)
        self.mix = nn.Linear(dim, dim)

    def forward(self, kinds, source, target):
        x = self.kind(kinds)
        received = torch.zeros_like(x).index_add(0, target, self.mix(x).index_select(0, source))
        degree = torch.zeros(self.nodes).scatter_add(0, target, torch.ones(len(target)))
        return torch.relu(received / degree.clamp(min=1)[:, None]).mean(0)


model = nn.ModuleDict({"pool": Pooling(400, 24), "head": nn.Linear(24, 3)})
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(8):
    kinds = torch.randint(0, 10, (400,))
    source, target = torch.randint(0, 400, (2, 6000))
    scores = model["head"](model["pool"](kinds, source, target))
    loss = nn.functional.cross_entropy(scores, torch.tensor(step % 3))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
