"""Uses torch, but trains nothing and defines no make_model."""

# expect: unverified
# exit: 0
import torch

torch.manual_seed(0)
print("total", torch.randn(10).sum().item())
