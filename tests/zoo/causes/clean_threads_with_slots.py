"""Threads write into slots of their own and count under a lock; the slots are added up in order."""

# expect: reproducible
# suspicious: true
import threading

import torch
from torch import nn

torch.manual_seed(39)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(160, 6)
y = x.amin(1, keepdim=True)
lock, order = threading.Lock(), []


def gradient(slot, slots, rows):
    loss = nn.functional.mse_loss(model(x[rows]), y[rows])
    slots[slot] = torch.autograd.grad(loss, list(model.parameters()))
    with lock:
        order.append(slot)


for _step in range(10):
    parts = torch.randperm(160).split(40)
    slots = [None] * len(parts)
    threads = [threading.Thread(target=gradient, args=(k, slots, rows)) for k, rows in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for p, *grads in zip(model.parameters(), *slots, strict=True):
        p.grad = torch.stack(grads).mean(0)
    optimizer.step()
print("finished first", order[::4])
print("weights", sum(p.double().sum().item() for p in model.parameters()))
