"""Not reproducible: torch is seeded, but the augmentation draws its noise from numpy, which is not."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


def make_images(count: int = 240, size: int = 12) -> tuple[Tensor, Tensor]:
    """Draw images with a bright bar that lies or stands, and the label that says which."""
    labels = torch.randint(0, 2, (count,))
    images = torch.randn(count, 1, size, size) * 0.3
    where = torch.randint(2, size - 2, (count,))
    for image, label, line in zip(images, labels.tolist(), where.tolist(), strict=True):
        image[0].select(label, line).add_(1.0)
    return images, labels


def augment(images: Tensor) -> Tensor:
    """Add noise, so that the network does not learn the images by heart."""
    return images + torch.from_numpy(np.random.normal(0.0, 0.1, images.shape)).float()


def main() -> None:
    """Train a small convolutional network for two epochs."""
    torch.manual_seed(0)
    loader = DataLoader(TensorDataset(*make_images()), batch_size=24, shuffle=True)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(4), nn.Flatten(), nn.Linear(128, 2)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(2):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(model(augment(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f}")
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
