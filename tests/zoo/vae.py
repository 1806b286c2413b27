"""A variational autoencoder: noise is drawn in the middle of forward."""

# expect: reproducible
import torch
from torch import nn


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 8))
        self.decode = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        mean, logvar = self.encode(x).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        return self.decode(code), mean, logvar


torch.manual_seed(0)
data = torch.randn(96, 4) @ torch.randn(4, 16)
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for _epoch in range(2):
    for x in data[torch.randperm(96)].split(24):
        again, mean, logvar = model(x)
        divergence = -0.5 * (1 + logvar - mean.pow(2) - logvar.exp()).sum(1).mean()
        loss = nn.functional.mse_loss(again, x) + 0.01 * divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
