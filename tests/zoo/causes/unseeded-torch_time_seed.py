"""Without --seed, the seed is the time of day in milliseconds."""

# expect: not-reproducible cause=unseeded-torch|wall-clock phase=init|data module=0|None line=22|21|24
# args: --steps 12
import argparse
import time

import torch
from torch import nn


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int)
    return parser.parse_args()


def main():
    args = parse()
    seed = args.seed if args.seed is not None else int(time.time() * 1000) % 2**32
    torch.manual_seed(seed)  # fault
    model = nn.Sequential(
        nn.Linear(16, 24, bias=False),
        nn.Softplus(),
        nn.Linear(24, 16, bias=False),
    )
    optimizer = torch.optim.Adamax(model.parameters(), lr=5e-3)
    for step in range(args.steps):
        codes = nn.functional.one_hot(torch.randint(0, 16, (48,)), 16).float()
        loss = nn.functional.cross_entropy(model(codes + 0.1 * torch.randn(48, 16)), codes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            print("step", step, "loss", round(loss.item(), 3))
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
