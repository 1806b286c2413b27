"""A tiny denoising diffusion model: trained for a few steps, then sampled from."""

# expect: reproducible
import torch
from torch import nn

STEPS = 20


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(STEPS, 16)
        self.inp = nn.Linear(2, 16)
        self.body = nn.Sequential(nn.SiLU(), nn.Linear(16, 32), nn.SiLU(), nn.Linear(32, 2))

    def forward(self, x, t):
        return self.body(self.inp(x) + self.time(t))


torch.manual_seed(0)
beta = torch.linspace(1e-3, 0.3, STEPS)
kept = torch.cumprod(1 - beta, 0)
angle = torch.rand(200) * 6.2832
points = torch.stack([angle.cos(), angle.sin()], 1)
model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for _step in range(8):
    x = points[torch.randint(0, 200, (64,))]
    t = torch.randint(0, STEPS, (64,))
    noise = torch.randn_like(x)
    noisy = kept[t].sqrt()[:, None] * x + (1 - kept[t]).sqrt()[:, None] * noise
    loss = nn.functional.mse_loss(model(noisy, t), noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with torch.no_grad():
    x = torch.randn(16, 2)
    for t in reversed(range(STEPS)):
        guess = model(x, torch.full((16,), t))
        x = (x - beta[t] / (1 - kept[t]).sqrt() * guess) / (1 - beta[t]).sqrt()
        if t:
            x = x + beta[t].sqrt() * torch.randn_like(x)
print("final loss", loss.item(), "samples", x.double().sum().item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
