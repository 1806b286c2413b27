"""Pixels are dequantised with bytes from os.urandom."""

# expect: not-reproducible cause=os-entropy phase=data module=None line=15
import os

import numpy as np
import torch
from torch import nn

np.random.seed(9)
torch.manual_seed(9)


def dequantise(pixels):
    noise = np.frombuffer(os.urandom(pixels.size), dtype=np.uint8)  # fault
    return torch.from_numpy((pixels + noise.reshape(pixels.shape) / 256) / 256).float()


class Coupling(nn.Module):
    """One affine coupling layer; the second half moves by what the first half says."""

    def __init__(self, dim):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim // 2, 32), nn.ReLU(), nn.Linear(32, dim))

    def forward(self, x):
        kept, moved = x.chunk(2, 1)
        scale, shift = self.net(kept).chunk(2, 1)
        scale = torch.tanh(scale)
        return torch.cat([moved * scale.exp() + shift, kept], 1), scale.sum(1)


flow = nn.ModuleList([Coupling(16) for _ in range(3)])
optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
patches = np.random.randint(0, 256, (200, 16))
for part in np.array_split(patches, 10):
    z, volume = torch.logit(dequantise(part), 1e-3), 0
    for layer in flow:
        z, change = layer(z)
        volume = volume + change
    loss = (0.5 * z.square().sum(1) - volume).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in flow.parameters()))
