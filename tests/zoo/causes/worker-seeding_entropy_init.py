"""The worker_init_fn gives each worker a fresh default_rng(), seeded by the system."""

# expect: not-reproducible cause=worker-seeding|unseeded-numpy phase=data module=None line=25|20
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Spectra(Dataset):
    def __init__(self, count=96):
        self.count, self.rng = count, np.random.default_rng(0)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        peak = 4 + index % 24
        line = np.exp(-0.5 * (np.arange(32) - peak) ** 2)
        noisy = line + self.rng.normal(0, 0.05, 32)
        return torch.from_numpy(noisy).float(), index % 24


def init_worker(worker):
    get_worker_info().dataset.rng = np.random.default_rng()  # fault


def main():
    np.random.seed(7)
    torch.manual_seed(7)
    loader = DataLoader(Spectra(), batch_size=12, shuffle=True, num_workers=2, worker_init_fn=init_worker)
    model = nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
