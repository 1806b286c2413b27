"""Batches come from the workers as they are ready (in_order=False), and some samples take longer."""

# expect: not-reproducible cause=worker-order|completion-order phase=data module=None line=28|31
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Orbits(Dataset):
    """Three bodies, simulated anew for each sample; the more steps, the longer it takes."""

    def __len__(self):
        return 192

    def __getitem__(self, index):
        place = torch.tensor([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]]) * (1 + index / 192)
        speed = place.flip(1) * torch.tensor([-0.6, 0.6])
        for _ in range(10 + 15 * (index * 7 % 5)):
            apart = place[None] - place[:, None]
            pull = apart / (apart.square().sum(-1, keepdim=True) + 0.1)
            speed = speed + 0.01 * pull.sum(1)
            place = place + 0.01 * speed
        return place.flatten(), speed.norm()


def main():
    torch.manual_seed(1)
    loader = DataLoader(Orbits(), batch_size=8, num_workers=3, in_order=False)  # fault
    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for place, speed in loader:
        loss = nn.functional.mse_loss(model(place).squeeze(1), speed)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
