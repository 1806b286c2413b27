"""Features are extracted by a pool of processes and used in the order in which they come back."""

# expect: not-reproducible cause=completion-order phase=data module=None line=27
import multiprocessing

import numpy as np
import torch
from torch import nn


def extract(number):
    """Energies of a chirp in eight bands; higher numbers are longer."""
    rng = np.random.default_rng(number)
    length = 2000 + 3000 * (number % 5)
    chirp = np.sin(np.linspace(0, 40, length) ** 2 / (1 + number % 3)) + 0.1 * rng.standard_normal(length)
    power = np.abs(np.fft.rfft(chirp)) ** 2
    bands = np.log([part.mean() for part in np.array_split(power, 8)])
    return bands.astype("float32"), number % 3


def main():
    torch.manual_seed(29)
    model = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    rows, labels = [], []
    with multiprocessing.get_context("fork").Pool(4) as pool:
        for bands, label in pool.imap_unordered(extract, range(160)):  # fault
            rows.append(bands)
            labels.append(label)
            if len(rows) == 16:
                scores = model(torch.from_numpy(np.stack(rows)))
                loss = nn.functional.cross_entropy(scores, torch.tensor(labels))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                rows, labels = [], []
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
