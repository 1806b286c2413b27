"""No module at all: raw tensors handed to SGD."""

# expect: reproducible
import torch

torch.manual_seed(0)
x = torch.randn(64, 5)
y = torch.sin(x.sum(1, keepdim=True))
hidden = torch.randn(5, 16, requires_grad=True)
shift = torch.zeros(16, requires_grad=True)
out = torch.randn(16, 1, requires_grad=True)
optimizer = torch.optim.SGD([hidden, shift, out], lr=0.01, momentum=0.9)
for _step in range(8):
    loss = ((torch.tanh(x @ hidden + shift) @ out - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in (hidden, shift, out)))
