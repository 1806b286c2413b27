"""No module and no optimizer: the update is written out by hand."""

# expect: reproducible
import torch

torch.manual_seed(0)
x = torch.randn(64, 5)
y = torch.sin(x.sum(1, keepdim=True))
weights = [torch.randn(5, 16, requires_grad=True), torch.randn(16, 1, requires_grad=True)]
for _step in range(8):
    loss = ((torch.tanh(x @ weights[0]) @ weights[1] - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        for p in weights:
            p -= 0.01 * p.grad
            p.grad = None
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in weights))
