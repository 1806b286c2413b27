"""A program that counts what torch does with modes of its own."""

# expect: reproducible
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class CountFunctions(TorchFunctionMode):
    """Counts calls of torch's functions."""

    calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        CountFunctions.calls += 1
        return func(*args, **(kwargs or {}))


class CountOperators(TorchDispatchMode):
    """Counts calls of operators."""

    calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        CountOperators.calls += 1
        return func(*args, **(kwargs or {}))


torch.manual_seed(6)
model = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
with CountFunctions(), CountOperators():
    for _ in range(3):
        loss = model(torch.randn(6, 5).t().contiguous().t()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(CountFunctions.calls, "functions", CountOperators.calls, "operators, final loss", loss.item())
