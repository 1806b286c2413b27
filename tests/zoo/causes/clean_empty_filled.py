"""torch.empty, np.empty and new_empty, each written in full before it is read."""

# expect: reproducible
import numpy as np
import torch
from torch import nn

torch.manual_seed(26)


class Rotary(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, dim))
        self.bias = nn.Parameter(torch.empty(dim))
        self.register_buffer("angles", torch.empty(dim // 2))
        nn.init.orthogonal_(self.weight)
        nn.init.uniform_(self.bias, -0.1, 0.1)
        torch.arange(dim // 2, out=self.angles)

    def forward(self, x):
        turned = x.new_empty(x.shape)
        turned[:, ::2] = x[:, ::2] * self.angles.cos() - x[:, 1::2] * self.angles.sin()
        turned[:, 1::2] = x[:, ::2] * self.angles.sin() + x[:, 1::2] * self.angles.cos()
        return nn.functional.linear(turned, self.weight, self.bias)


junk = torch.tensor([hash(str(k)) for k in range(5000)])
del junk
buffer = np.empty((50, 10), dtype=np.float32)
model = nn.Sequential(Rotary(10), nn.Tanh(), nn.Linear(10, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(8):
    np.copyto(buffer, np.cos(np.arange(500).reshape(50, 10) * (step + 1)))
    x = torch.from_numpy(buffer).clone()
    loss = nn.functional.mse_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
