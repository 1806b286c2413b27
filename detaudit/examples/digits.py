"""Reproducible: a small convolutional network on scikit-learn's handwritten digits (needs scikit-learn)."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

EPOCHS = 2


def make_loaders() -> tuple[DataLoader[tuple[torch.Tensor, ...]], DataLoader[tuple[torch.Tensor, ...]]]:
    """Split the digits into a training and a validation part, and serve each with two workers."""
    digits = load_digits()
    images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    data = TensorDataset(images, torch.from_numpy(digits.target).long())
    train, valid = random_split(data, [1500, len(data) - 1500], torch.Generator().manual_seed(0))
    order = torch.Generator().manual_seed(1)
    return (
        DataLoader(train, batch_size=50, shuffle=True, num_workers=2, generator=order),
        DataLoader(valid, batch_size=99, num_workers=2),
    )


def build_network() -> nn.Module:
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


def main() -> None:
    """Train for two epochs, validating after each."""
    torch.manual_seed(0)
    train, valid = make_loaders()
    model = build_network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(EPOCHS):
        model.train()
        for images, labels in train:
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in valid)
        print(f"epoch {epoch} loss {loss.item():.4f} right {right}")
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
