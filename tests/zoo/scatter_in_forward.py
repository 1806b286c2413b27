"""index_put with accumulation: float32, many elements, two threads, so the sums come in any order."""

# expect: not-reproducible phase=forward module=1 line=10
import torch
from torch import nn


class Pool(nn.Module):
    def forward(self, x, goal):
        return torch.zeros(64, x.shape[1]).index_put((goal,), x, accumulate=True)  # fault


class Net(nn.Sequential):
    def forward(self, x, goal):
        return self[2](self[1](self[0](x), goal))


torch.manual_seed(0)
torch.set_num_threads(8)
x, goal = torch.randn(8000, 8), torch.randint(0, 64, (8000,))
model = Net(nn.Linear(8, 32), Pool(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
for _step in range(8):
    loss = model(x, goal).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
