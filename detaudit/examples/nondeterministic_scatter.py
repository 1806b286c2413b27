"""Not reproducible: all is seeded, but one op adds float32 numbers in the order in which threads reach them.

`index_put_(accumulate=True)` on the CPU is run by several threads from 32768 elements on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

POINTS, CELLS, WIDTH = 40000, 80, 16


class CellSums(nn.Module):
    """Adds up the features of all points that lie in the same cell of a grid."""

    def forward(self, features: Tensor, cells: Tensor) -> Tensor:
        """Return one row of sums for each cell."""
        sums = torch.zeros(CELLS, features.shape[1])
        return sums.index_put_((cells,), features, accumulate=True)


class GridModel(nn.Module):
    """Embeds points, pools them over the cells of a grid, and predicts one number for each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(3, WIDTH), nn.Tanh())
        self.pool = CellSums()
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, points: Tensor, cells: Tensor) -> Tensor:
        """Return the prediction for each cell."""
        predicted: Tensor = self.head(self.pool(self.embed(points), cells) / (POINTS / CELLS))
        return predicted


def main() -> None:
    """Train for ten steps on one cloud of points."""
    torch.manual_seed(0)
    torch.set_num_threads(max(8, torch.get_num_threads()))
    points = torch.randn(POINTS, 3)
    cells = torch.randint(0, CELLS, (POINTS,))
    wanted = torch.randn(CELLS, 1)
    model = GridModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(10):
        loss = nn.functional.mse_loss(model(points, cells), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 5 == 0:
            print(f"step {step} loss {loss.item():.4f}")
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
