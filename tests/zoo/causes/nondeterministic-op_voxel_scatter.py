"""Points are scattered into voxels by index_put_ with accumulate=True, on many threads."""

# expect: not-reproducible cause=nondeterministic-op phase=forward module=voxels|<root>|0 line=18
import torch
from torch import nn


class Voxels(nn.Module):
    def __init__(self, side, dim):
        super().__init__()
        self.side = side
        self.lift = nn.Linear(3, dim)

    def forward(self, points):
        values = self.lift(points)
        cell = (points * self.side).long().clamp(0, self.side - 1)
        grid = values.new_zeros(self.side, self.side, self.side, values.shape[1])
        grid = grid.index_put((cell[:, 0], cell[:, 1], cell[:, 2]), values, accumulate=True)  # fault
        return grid.flatten()


def main():
    torch.manual_seed(50)
    torch.set_num_threads(8)
    voxels = Voxels(4, 8)
    model = nn.Sequential()
    model.add_module("voxels", voxels)
    model.add_module("norm", nn.LayerNorm(512))
    model.add_module("head", nn.Linear(512, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(10):
        points = torch.rand(12000, 3) ** (1 + step % 2)
        loss = nn.functional.cross_entropy(model(points), torch.tensor(step % 2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
