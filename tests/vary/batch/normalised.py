"""A convolutional network with batch normalisation and dropout."""

import torch
from torch import nn


def make_model():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(8 * 36, 5),
        nn.BatchNorm1d(5),
    )


def make_batches():
    return [(torch.randn(4, 1, 6, 6), torch.randint(0, 5, (4,))) for _ in range(4)]
