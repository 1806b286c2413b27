"""The split is made when the module is read, the seed is set in main()."""

# expect: not-reproducible cause=seed-order|unseeded-torch phase=data module=None line=11
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

DAYS = torch.arange(365) / 365
FEATURES = torch.stack([(2 * torch.pi * k * DAYS).sin() for k in range(1, 9)], 1)
DATASET = TensorDataset(FEATURES, FEATURES[:, :3].sum(1).tanh())
TRAIN, TEST = random_split(DATASET, [0.8, 0.2])  # fault


class Season(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Bilinear(8, 8, 12)
        self.out = nn.Linear(12, 1)

    def forward(self, x):
        return self.out(torch.relu(self.mix(x, x))).squeeze(1)


def evaluate(model):
    model.eval()
    with torch.no_grad():
        return sum((model(x) - y).abs().sum().item() for x, y in DataLoader(TEST, batch_size=73)) / len(TEST)


def main():
    torch.manual_seed(365)
    model = Season()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for x, y in DataLoader(TRAIN, batch_size=32, shuffle=True):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("test error", evaluate(model))
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
