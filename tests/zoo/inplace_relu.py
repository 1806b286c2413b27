"""Convolutions followed by in-place ReLUs, which some hooks break."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(32, 3, 12, 12), torch.randint(0, 4, (32,))
model = nn.Sequential(
    nn.Conv2d(3, 8, 3),
    nn.ReLU(inplace=True),
    nn.Conv2d(8, 8, 3),
    nn.ReLU(inplace=True),
    nn.Flatten(),
    nn.Linear(512, 4),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _step in range(5):
    out = model(x)
    out -= out.detach().mean()
    loss = nn.functional.cross_entropy(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
