"""An IterableDataset that is shared out among two persistent workers, for two epochs."""

# expect: reproducible
# suspicious: true
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Stream(IterableDataset):
    def __iter__(self):
        worker = get_worker_info()
        for index in range(worker.id, 40, worker.num_workers):
            yield torch.randn(5) + index / 40, torch.tensor([index / 40])


def main():
    torch.manual_seed(0)
    loader = DataLoader(Stream(), batch_size=5, num_workers=2, persistent_workers=True)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _epoch in range(2):
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("final loss", loss.item())
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
