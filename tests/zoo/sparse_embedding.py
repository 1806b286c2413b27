"""Sparse gradients of an embedding, with SparseAdam beside a dense optimizer."""

# expect: reproducible
import torch
from torch import nn

torch.manual_seed(0)
table = nn.Embedding(200, 8, sparse=True)
head = nn.Linear(8, 1)
sparse = torch.optim.SparseAdam(table.parameters(), lr=1e-2)
dense = torch.optim.SGD(head.parameters(), lr=1e-2)
for _step in range(6):
    ids = torch.randint(0, 200, (32, 4))
    loss = nn.functional.mse_loss(head(table(ids).mean(1)), ids.float().mean(1, keepdim=True) / 200)
    for optimizer in (sparse, dense):
        optimizer.zero_grad()
    loss.backward()
    for optimizer in (sparse, dense):
        optimizer.step()
print("final loss", loss.item())
print("weights", sum(p.double().sum().item() for m in (table, head) for p in m.parameters()))
