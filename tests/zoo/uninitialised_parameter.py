"""A parameter is made with torch.empty and never filled."""

# expect: not-reproducible phase=init module=<root> line=14
# alone: true
# flaky: true
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(6, 16)
        self.token = nn.Parameter(torch.empty(16))  # fault
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.inp(x) + torch.tanh(torch.nan_to_num(self.token))))


torch.manual_seed(0)
x = torch.randn(32, 6)
names = [str(object()) for _ in range(1000)]
words = torch.tensor([hash(name) for name in names])
del words
model = Net()
for _step in range(4):
    loss = (model(x) - x.sum(1, keepdim=True)).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.05 * p.grad
            p.grad = None
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
