"""A sampler that balances the classes owns a RandomState without a seed."""

# expect: not-reproducible cause=unseeded-numpy phase=data module=None line=22|16
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset


class BalancedSampler(Sampler):
    """As many samples of each class, however rare the class is."""

    def __init__(self, labels, per_class):
        self.groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.per_class = per_class
        self.state = np.random.RandomState()

    def __len__(self):
        return self.per_class * len(self.groups)

    def __iter__(self):
        chosen = [self.state.choice(group, self.per_class) for group in self.groups]  # fault
        yield from np.stack(chosen, axis=1).ravel().tolist()


def main():
    np.random.seed(1)
    torch.manual_seed(1)
    labels = np.repeat([0, 1, 2], [300, 60, 12])
    x = torch.randn(len(labels), 10) + torch.from_numpy(labels).float()[:, None]
    dataset = TensorDataset(x, torch.from_numpy(labels))
    loader = DataLoader(dataset, batch_size=24, sampler=BalancedSampler(labels, 40))
    model = nn.Sequential(nn.Linear(10, 24), nn.LeakyReLU(), nn.Linear(24, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, nesterov=True, momentum=0.8)
    for _epoch in range(3):
        for xb, yb in loader:
            loss = nn.functional.multi_margin_loss(model(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
