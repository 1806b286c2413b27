"""Part files have a random tail in their names, as Spark writes them, and are read as glob gives them."""

# expect: not-reproducible cause=fs-order phase=data module=None line=25|28
import glob
import json
import os
import tempfile
import uuid

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


def write_parts(folder, parts=16):
    for part in range(parts):
        with open(os.path.join(folder, f"part-{part:05d}-{uuid.uuid4()}.json"), "w") as file:
            for row in range(12):
                value = (part * 12 + row) / 50
                file.write(json.dumps({"x": [value, value**2, 1 / (1 + value)], "y": part % 3}) + "\n")


class Parts(IterableDataset):
    def __init__(self, folder):
        self.files = glob.glob(os.path.join(folder, "part-*.json"))  # fault

    def __iter__(self):
        for path in self.files:
            with open(path) as file:
                for line in file:
                    row = json.loads(line)
                    yield torch.tensor(row["x"]), row["y"]


def main():
    torch.manual_seed(47)
    with tempfile.TemporaryDirectory() as folder:
        write_parts(folder)
        model = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in DataLoader(Parts(folder), batch_size=24):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
