"""The loader gets a generator of its own, seeded by seed(), which takes a new seed from the system."""

# expect: not-reproducible cause=unseeded-torch phase=data module=None line=11|10|17|37
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)

shuffler = torch.Generator()
shuffler.seed()  # fault

angles = torch.linspace(0, 12.5, 400)
spirals = torch.stack([angles * angles.cos(), angles * angles.sin()], 1)
points = torch.cat([spirals, -spirals])
sides = torch.cat([torch.zeros(400), torch.ones(400)])
loader = DataLoader(TensorDataset(points, sides), batch_size=50, shuffle=True, generator=shuffler)


class Classifier(nn.Module):
    def __init__(self, width=40):
        super().__init__()
        self.first = nn.Linear(2, width)
        self.second = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, 1)

    def forward(self, point):
        hidden = torch.tanh(self.first(point))
        return self.last(self.norm(hidden + torch.tanh(self.second(hidden)))).squeeze(1)


net = Classifier()
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.7)
for _epoch in range(2):
    for point, side in loader:
        loss = nn.functional.binary_cross_entropy_with_logits(net(point), side)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
print("weights", sum(p.double().sum().item() for p in net.parameters()))
