"""Each run makes a folder of its own below runs/, and its seed is the number of the folder."""

# expect: not-reproducible cause=cached-state|env-dependence|fs-order phase=init|data module=0|None line=14|16|24|25
# shared: true
import os

import torch
from torch import nn


class Logger:
    def __init__(self, root):
        os.makedirs(root, exist_ok=True)
        self.version = len(os.listdir(root))  # fault
        self.folder = os.path.join(root, f"version_{self.version}")
        os.makedirs(self.folder, exist_ok=True)

    def log(self, step, loss):
        with open(os.path.join(self.folder, "loss.csv"), "a") as file:
            file.write(f"{step},{loss}\n")


def main(seed=10):
    logger = Logger("runs")
    torch.manual_seed(seed + logger.version)
    model = nn.Sequential(nn.Linear(4, 16), nn.Sigmoid(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(8):
        x = torch.rand(32, 4)
        loss = nn.functional.mse_loss(model(x), x.sort(dim=1).values)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        logger.log(step, loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
