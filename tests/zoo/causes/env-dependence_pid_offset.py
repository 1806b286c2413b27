"""The process id decides where this job begins in the data, so that parallel jobs differ."""

# expect: not-reproducible cause=env-dependence|os-entropy phase=data module=None line=25|32
import os

import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset


class RotatedSampler(Sampler):
    """Goes round the data once, from a place that depends on the job."""

    def __init__(self, length, job):
        self.length, self.offset = length, job * 31 % length

    def __len__(self):
        return self.length

    def __iter__(self):
        return iter((i + self.offset) % self.length for i in range(self.length))


def job_number():
    return int(os.environ.get("SLURM_PROCID", os.getpid()))  # fault


def main():
    torch.manual_seed(52)
    angle = torch.arange(503) / 80
    dataset = TensorDataset(torch.stack([angle.sin(), angle.cos(), angle / 6], 1), (3 * angle).sin())
    sampler = RotatedSampler(len(dataset), job_number())
    model = nn.Sequential(nn.Linear(3, 24), nn.Tanh(), nn.Linear(24, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for x, y in DataLoader(dataset, batch_size=50, sampler=sampler):
        loss = nn.functional.mse_loss(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
