"""The seed comes from the name of the scratch folder, which the system makes up."""

# expect: not-reproducible cause=env-dependence|os-entropy|unseeded-torch phase=init|data module=0|None line=19|15|20
import os
import tempfile
import zlib

import numpy as np
import torch
from torch import nn


def experiment_seed(folder):
    """A seed for each experiment, from its name."""
    return zlib.crc32(os.path.basename(folder).encode())


def main():
    with tempfile.TemporaryDirectory(prefix="experiment-") as folder:  # fault
        torch.manual_seed(experiment_seed(folder))
        np.save(os.path.join(folder, "x.npy"), np.tri(20, 10, dtype=np.float32))
        x = torch.from_numpy(np.load(os.path.join(folder, "x.npy")))
        model = nn.Sequential(nn.Linear(10, 14), nn.ReLU(), nn.Linear(14, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(10):
            loss = nn.functional.mse_loss(model(x), x.flip(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step % 5 == 4:
                torch.save(model.state_dict(), os.path.join(folder, f"step{step}.pt"))
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
