"""The data module subsamples with numpy when it is built; the trainer seeds when it starts."""

# expect: not-reproducible cause=seed-order|unseeded-numpy phase=data module=None line=12|43
import numpy as np
import torch
from torch import nn


class DataModule:
    def __init__(self, rows, fraction):
        x = np.linspace(-3, 3, rows)
        kept = np.random.permutation(rows)[: int(rows * fraction)]  # fault
        self.x = torch.tensor(x[kept, None], dtype=torch.float32)
        self.y = torch.tensor(np.sinc(x[kept, None]), dtype=torch.float32)

    def batches(self, size):
        return zip(self.x.split(size), self.y.split(size), strict=True)


class Trainer:
    def __init__(self, seed, epochs):
        self.seed, self.epochs = seed, epochs

    def fit(self, data):
        np.random.seed(self.seed)
        torch.manual_seed(self.seed)
        model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 1))
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
        for _ in range(self.epochs):
            for x, y in data.batches(50):

                def closure(x=x, y=y):
                    optimizer.zero_grad()
                    loss = nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    return loss

                optimizer.step(closure)
        return model


trainer = Trainer(seed=5, epochs=2)
model = trainer.fit(DataModule(rows=400, fraction=0.5))
print("weights", sum(p.double().sum().item() for p in model.parameters()))
