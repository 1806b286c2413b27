"""The layers are built before torch's generator is seeded."""

# expect: not-reproducible phase=init module=0 line=7
import torch
from torch import nn

model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))  # fault
torch.manual_seed(0)
x = torch.randn(32, 5)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _step in range(5):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
