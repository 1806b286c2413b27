"""Layers are initialised in the order of their id(), meant to make the order definite."""

# expect: not-reproducible cause=address-order phase=init module=<root>|None line=27|26|32
# flaky: true
import torch
from torch import nn

torch.manual_seed(36)


class Experts(nn.Module):
    """Many small experts, each of which sees every input; a gate weighs what they say."""

    def __init__(self, count, dim):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(dim, 4, bias=False) for _ in range(count)])
        self.gate = nn.Linear(dim, count)

    def forward(self, x):
        said = torch.stack([expert(x) for expert in self.experts], 1)
        return (self.gate(x).softmax(1).unsqueeze(2) * said).sum(1)


@torch.no_grad()
def init_weights(model):
    layers = {id(layer): layer for layer in model.modules() if isinstance(layer, nn.Linear)}
    for key in sorted(layers):  # fault
        layers[key].weight.normal_(0, 0.2)


model = Experts(48, 10)
init_weights(model)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _step in range(8):
    x = torch.randn(64, 10)
    loss = nn.functional.cross_entropy(model(x), x[:, :4].argmax(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
