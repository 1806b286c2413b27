"""A small classifier, as a team would keep it: what it trains on, how, and a command to run it."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 3
FEATURES = 8


class Classifier(nn.Module):
    """Two layers, with dropout between them."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map features (batch, 8) to logits (batch, 3)."""
        logits: torch.Tensor = self.head(self.body(inputs))
        return logits


def make_data(samples: int = 96) -> TensorDataset:
    """Clusters of points around one centre for each class."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, CLASSES, samples)
    centres = generator.normal(size=(CLASSES, FEATURES))
    points = centres[labels] + 0.5 * generator.normal(size=(samples, FEATURES))
    return TensorDataset(torch.from_numpy(points).float(), torch.from_numpy(labels))


def train(epochs: int = 1, *, noise: float = 0.0) -> list[float]:
    """Train a new classifier and return its loss in each step.

    With `noise`, the inputs are augmented by draws from numpy's global generator, which nothing seeds here.
    """
    model = Classifier()
    loader = DataLoader(make_data(), batch_size=16, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(epochs):
        for inputs, labels in loader:
            augmented = inputs
            if noise:
                augmented = inputs + noise * torch.from_numpy(np.random.normal(size=inputs.shape)).float()
            loss = nn.functional.cross_entropy(model(augmented), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    torch.manual_seed(0)
    history = train(epochs=2)
    print(f"loss {history[0]:.3f} -> {history[-1]:.3f}")
