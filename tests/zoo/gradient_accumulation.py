"""Four micro-batches for each optimizer step, through a DataLoader."""

# expect: reproducible
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(128, 6)
loader = DataLoader(TensorDataset(x, x.abs().sum(1, keepdim=True)), batch_size=8, shuffle=True)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for number, (inputs, wanted) in enumerate(loader, start=1):
    loss = nn.functional.mse_loss(model(inputs), wanted)
    (loss / 4).backward()
    if number % 4 == 0:
        optimizer.step()
        optimizer.zero_grad()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
