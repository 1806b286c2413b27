"""A transform makes a new default_rng() for each sample it is given, in the workers."""

# expect: not-reproducible cause=worker-seeding|unseeded-numpy phase=data module=None line=15|16
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class RandomErase:
    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        rng = np.random.default_rng()  # fault
        top, left = rng.integers(0, 16 - self.size, 2)
        image = image.copy()
        image[top : top + self.size, left : left + self.size] = 0
        return image


class Stripes(Dataset):
    def __init__(self, transform):
        self.transform = transform
        steps = np.arange(16)
        self.images = [np.sin(np.add.outer(steps * k, steps * (5 - k)) / 3) for k in range(6)]

    def __len__(self):
        return 96

    def __getitem__(self, index):
        image = self.transform(self.images[index % 6])
        return torch.from_numpy(image).float()[None], index % 6


def main():
    torch.manual_seed(23)
    loader = DataLoader(
        Stripes(RandomErase(6)), batch_size=16, num_workers=2, generator=torch.Generator().manual_seed(23)
    )
    net = nn.Sequential(nn.Conv2d(1, 6, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(216, 6))
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for image, kind in loader:
        loss = nn.functional.cross_entropy(net(image), kind)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in net.parameters()))


if __name__ == "__main__":
    main()
