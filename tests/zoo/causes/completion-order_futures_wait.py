"""Two results at a time from a thread pool, whichever two are first, by concurrent.futures.wait."""

# expect: not-reproducible cause=completion-order|address-order phase=data module=None line=36|37
import concurrent.futures as futures

import numpy as np
import torch
from torch import nn


def render(scene):
    """A height field, smoothed more or less often."""
    field = np.random.RandomState(scene).rand(64, 64)
    for _ in range(5 + 10 * (scene % 4)):
        field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1) + np.roll(field, -1, 0)) / 4
    return torch.from_numpy(field[::4, ::4].copy()).float()


class Upscaler(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(1, 16, 3, padding=1)
        self.tail = nn.Conv2d(16, 4, 3, padding=1)

    def forward(self, small):
        return nn.functional.pixel_shuffle(self.tail(torch.relu(self.body(small))), 2)


def main():
    torch.manual_seed(81)
    model = Upscaler()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    with futures.ThreadPoolExecutor(4) as pool:
        waiting = {pool.submit(render, scene) for scene in range(24)}
        while waiting:
            done, waiting = futures.wait(waiting, return_when=futures.FIRST_COMPLETED)  # fault
            for future in done:
                large = future.result()[None, None]
                loss = nn.functional.l1_loss(model(nn.functional.avg_pool2d(large, 2)), large)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
