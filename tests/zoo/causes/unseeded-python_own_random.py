"""A dataset crops with a Random of its own, which seeding the module's generator does not reach."""

# expect: not-reproducible cause=unseeded-python phase=data module=None line=22|16
import random

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class CroppedSeries(Dataset):
    """Random windows of one long series, with the value that follows each."""

    def __init__(self, series, window):
        self.series, self.window = series, window
        self.rng = random.Random()

    def __len__(self):
        return 160

    def __getitem__(self, index):
        start = self.rng.randrange(len(self.series) - self.window)  # fault
        return self.series[start : start + self.window], self.series[start + self.window]


class Forecaster(nn.Module):
    def __init__(self, hidden=24):
        super().__init__()
        self.cell = nn.GRU(1, hidden, batch_first=True)
        self.read_out = nn.Linear(hidden, 1)

    def forward(self, window):
        _, state = self.cell(window.unsqueeze(-1))
        return self.read_out(state[-1]).squeeze(-1)


def main():
    random.seed(5)
    torch.manual_seed(5)
    t = torch.arange(900) / 10
    series = torch.sin(t) + 0.4 * torch.cos(2.3 * t)
    loader = DataLoader(CroppedSeries(series, 20), batch_size=16)
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for window, following in loader:
        loss = (model(window) - following).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
