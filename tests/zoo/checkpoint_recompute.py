"""Two checkpointed blocks, one recomputed reentrantly and one not, with dropout inside."""

# expect: reproducible
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(12, 32)
        self.first = nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Dropout(0.2))
        self.second = nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Dropout(0.2))
        self.out = nn.Linear(32, 3)

    def forward(self, x):
        x = self.inp(x)
        x = checkpoint(self.first, x, use_reentrant=True)
        x = checkpoint(self.second, x, use_reentrant=False)
        return self.out(x)


torch.manual_seed(0)
x, y = torch.randn(64, 12), torch.randint(0, 3, (64,))
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _step in range(6):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
