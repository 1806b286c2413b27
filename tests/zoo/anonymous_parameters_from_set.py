"""Parameters of no module reach the optimizer in the order of a set of objects; each is updated alone."""

# expect: reproducible
# suspicious: true
import torch

torch.manual_seed(0)
x = torch.randn(48, 6)
y = x.prod(1)
factors = [torch.nn.Parameter(torch.randn(6)) for _ in range(6)]
optimizer = torch.optim.Adam(set(factors), lr=1e-2)
for _step in range(6):
    loss = (sum(torch.tanh(x @ factor) for factor in factors) - y).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for p in factors))
