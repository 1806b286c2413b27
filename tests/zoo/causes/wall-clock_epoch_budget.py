"""An epoch ends early when it has used up its share of the time."""

# expect: not-reproducible cause=wall-clock phase=data|optimizer|forward module=None line=18|14|24|41
import itertools
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Budget:
    def __init__(self, seconds):
        self.until = time.monotonic() + seconds

    @property
    def spent(self):
        return time.monotonic() >= self.until  # fault


def run_epoch(model, optimizer, loader, budget):
    done = 0
    for x, y in itertools.chain.from_iterable(itertools.repeat(loader, 5)):
        if budget.spent:
            break
        loss = nn.functional.smooth_l1_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1
    return done


def main():
    torch.manual_seed(88)
    x = torch.randn(2000, 5)
    loader = DataLoader(TensorDataset(x, x.relu().sum(1, keepdim=True)), batch_size=20, shuffle=True)
    model = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for epoch in range(4):
        done = run_epoch(model, optimizer, loader, Budget(0.1))
        print("epoch", epoch, "batches", done)
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
