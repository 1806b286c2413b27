"""Reproducible: the digits again, as a model file that detaudit itself drives (needs scikit-learn).

`detaudit check detaudit/examples/digits_model.py` seeds, builds and trains; run by itself it does the same.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

Batch = tuple[Tensor, Tensor]


def make_model() -> nn.Module:
    """Build the network: two convolutions, dropout, one linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(512, 10),
    )


def make_batches() -> DataLoader[tuple[Tensor, ...]]:
    """Serve the first 600 digits in a random order, with two workers."""
    digits = load_digits()
    images = torch.from_numpy(digits.images[:600]).float().unsqueeze(1) / 16
    data = TensorDataset(images, torch.from_numpy(digits.target[:600]).long())
    return DataLoader(data, batch_size=50, shuffle=True, num_workers=2)


def loss_fn(model: nn.Module, batch: Batch) -> Tensor:
    """Compare the network's answer for a batch with the labels."""
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels)


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Choose AdamW."""
    return torch.optim.AdamW(model.parameters(), lr=3e-3)


def main() -> None:
    """Do by hand what detaudit does with a model file."""
    torch.manual_seed(0)
    model = make_model()
    optimizer = make_optimizer(model)
    for batch in make_batches():
        optimizer.zero_grad()
        loss = loss_fn(model, batch)
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
