"""Mixed precision: forward under autocast in bfloat16, weights in float32."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(64, 16), torch.randint(0, 5, (64,))
model = nn.Sequential(nn.Linear(16, 48), nn.LayerNorm(48), nn.GELU(), nn.Linear(48, 5))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _step in range(6):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nn.functional.cross_entropy(model(x).float(), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
