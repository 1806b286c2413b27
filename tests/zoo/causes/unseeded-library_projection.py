"""A random projection from scikit-learn goes before the network, fitted without a random_state."""

# expect: not-reproducible cause=unseeded-library|unseeded-numpy phase=data module=None line=18|20
# requires: scikit-learn
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.random_projection import GaussianRandomProjection
from torch import nn


def prepare(components):
    images, digits = load_digits(return_X_y=True)
    pipeline = make_pipeline(
        MinMaxScaler(),
        GaussianRandomProjection(n_components=components),  # fault
    )
    reduced = pipeline.fit_transform(images)
    return torch.from_numpy(reduced.astype(np.float32)), torch.from_numpy(digits)


class Head(nn.Module):
    def __init__(self, ins, classes):
        super().__init__()
        self.norm = nn.BatchNorm1d(ins)
        self.layers = nn.ModuleList([nn.Linear(ins, 64), nn.Linear(64, classes)])

    def forward(self, x):
        hidden = nn.functional.gelu(self.layers[0](self.norm(x)))
        return self.layers[1](hidden)


def main():
    torch.manual_seed(10)
    x, y = prepare(components=20)
    model = Head(20, 10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for rows in torch.randperm(len(x)).split(128):
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
