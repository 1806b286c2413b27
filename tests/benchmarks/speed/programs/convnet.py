"""`python convnet.py STEPS [STEP]`: trains a small convolutional net; in STEP, one unseeded draw.

Prints the seconds that the steps took, so that their number can be chosen for a given time.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch import nn


def make_model() -> nn.Module:
    """A small net for 32x32 images."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, stride=2, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(64, 10),
    )


def main(steps: int, unseeded: int | None) -> None:
    """Train for a number of steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images, labels = torch.randn(512, 3, 32, 32), torch.randint(10, (512,))
    start = time.perf_counter()
    for step in range(steps):
        chosen = torch.randint(512, (64,))
        batch = images[chosen]
        if step == unseeded:
            batch = batch + float(np.random.normal())  # noqa: NPY002 - the fault that is to be found
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch), labels[chosen]).backward()
        optimizer.step()
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
