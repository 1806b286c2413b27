"""Files as listed, workers with fresh generators, and a model whose weights were drawn without a seed."""

# expect: not-reproducible cause=unseeded-torch phase=init|data module=0|<root>|None line=47
# also: cause=fs-order line=22|44
# also: cause=worker-seeding|unseeded-numpy line=36|30
import random
import tempfile
import uuid
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

random.seed(1)
np.random.seed(1)


class Tiles(Dataset):
    def __init__(self, folder):
        self.images = [np.load(path) for path in Path(folder).iterdir()]  # fault
        self.rng = None

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        top, left = self.rng.integers(0, 5, 2)
        crop = image[top : top + 12, left : left + 12]
        return torch.from_numpy(crop.copy())[None], int(image.mean() > 0.5)


def new_generator(worker):
    get_worker_info().dataset.rng = np.random.default_rng()  # fault


def main():
    with tempfile.TemporaryDirectory() as folder:
        for number in range(60):
            image = np.random.rand(16, 16).astype("float32") + (number % 3 - 1) / 10
            np.save(f"{folder}/{number:04d}-{uuid.uuid4()}.npy", image)
        tiles = Tiles(folder)
    loader = DataLoader(tiles, batch_size=10, num_workers=2, worker_init_fn=new_generator)
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))  # fault
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for image, label in loader:
        loss = nn.functional.cross_entropy(model(image), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
