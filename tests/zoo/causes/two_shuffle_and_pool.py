"""Files are shuffled by python's unseeded generator, then parsed by a pool that hands out what is ready."""

# expect: not-reproducible cause=unseeded-python phase=data module=None line=40
# also: cause=completion-order line=41
import random
from multiprocessing.pool import ThreadPool

import numpy as np
import torch
from torch import nn

np.random.seed(18)
torch.manual_seed(18)


def parse(name):
    """The spectrum of one measurement."""
    number = int(name.removeprefix("m").removesuffix(".dat"))
    rng = np.random.default_rng(number)
    raw = rng.standard_normal((60 + 80 * (number % 4), 128)).cumsum(1)
    singular = np.linalg.svd(raw, compute_uv=False)[:10]
    return torch.from_numpy(singular / singular[0]).float(), number % 4


class Spectrum(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm1d(1)
        self.body = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 4))

    def forward(self, x):
        return self.body(self.norm(x[:, None]).squeeze(1))


names = [f"m{number:03d}.dat" for number in range(36)]
model = Spectrum()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
with ThreadPool(4) as pool:
    for _epoch in range(2):
        random.shuffle(names)  # fault
        for x, label in pool.imap_unordered(parse, names):  # fault
            loss = nn.functional.cross_entropy(model(x[None]), torch.tensor([label]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
