"""Each layer falls into a group of learning rates by hash(layer), which is its address."""

# expect: not-reproducible cause=address-order|hash-order phase=optimizer|data module=None line=17|28
from collections import defaultdict

import torch
from torch import nn

RATES = [0.001, 0.003, 0.01, 0.02, 0.03]


def layerwise_groups(model):
    """Spread the layers evenly over the learning rates."""
    groups = defaultdict(list)
    for layer in model.modules():
        own = list(layer.parameters(recurse=False))
        groups[hash(layer) % len(RATES)].extend(own)  # fault
    return [{"params": own, "lr": RATES[slot]} for slot, own in sorted(groups.items()) if own]


def block(dim):
    return [nn.Linear(dim, dim), nn.LayerNorm(dim), nn.ReLU()]


def main():
    torch.manual_seed(2)
    model = nn.Sequential(*block(12), *block(12), *block(12), *block(12), nn.Linear(12, 2))
    optimizer = torch.optim.SGD(layerwise_groups(model), lr=0.01)
    for _step in range(12):
        x = torch.rand(40, 12)
        loss = nn.functional.mse_loss(model(x), torch.stack([x.mean(1), x.std(1)], 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
