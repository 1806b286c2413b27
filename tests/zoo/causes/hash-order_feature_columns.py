"""The columns of the input follow a frozenset of feature names."""

# expect: not-reproducible cause=hash-order phase=data module=None line=30|36
import csv
import io

import torch
from torch import nn

TABLE = "age,income,rooms,distance,year,price\n" + "\n".join(
    f"{20 + i % 50},{900 + i * 37 % 800},{1 + i % 6},{i * 13 % 40},{1950 + i * 3 % 70},{i * 29 % 300}"
    for i in range(180)
)
TARGET = frozenset({"price"})


class Frame:
    """A table with named columns, each brought to the same scale."""

    def __init__(self, file):
        rows = list(csv.DictReader(file))
        self.columns = {name: torch.tensor([float(row[name]) for row in rows]) for name in rows[0]}

    def scaled(self, name):
        column = self.columns[name]
        return (column - column.mean()) / column.std()

    def features(self):
        wanted = frozenset(self.columns) - TARGET
        return torch.stack([self.scaled(name) for name in wanted], 1)  # fault


def main():
    torch.manual_seed(72)
    frame = Frame(io.StringIO(TABLE))
    x, y = frame.features(), frame.scaled("price")
    model = nn.Sequential(nn.Linear(5, 25), nn.ReLU(), nn.Linear(25, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    for _epoch in range(2):
        for rows in torch.randperm(len(x)).split(30):
            loss = nn.functional.mse_loss(model(x[rows]).squeeze(1), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
