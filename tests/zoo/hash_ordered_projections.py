"""Layers are made in the order of a set of strings, so each gets other random numbers in each run."""

# expect: not-reproducible phase=init module=query|key|value|output|gate|None line=12
# alone: true
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        for name in {"query", "key", "value", "output", "gate"}:  # fault
            self.add_module(name, nn.Linear(width, width, bias=False))

    def forward(self, x):
        scores = (self.query(x) @ self.key(x).T).softmax(-1)
        return self.output(scores @ self.value(x)) + torch.sigmoid(self.gate(x))


torch.manual_seed(0)
x = torch.randn(24, 12)
model = Attention(12)
for _step in range(5):
    loss = (model(x) - x.roll(1, 0)).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.05 * p.grad
            p.grad = None
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in model.parameters()))
