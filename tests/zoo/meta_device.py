"""A model that is built on the meta device, given memory later, and then initialised."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
with torch.device("meta"):
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Linear(32, 2))
model = model.to_empty(device="cpu")
for module in model:
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()
x, y = torch.randn(40, 8), torch.randint(0, 2, (40,))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _step in range(5):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
