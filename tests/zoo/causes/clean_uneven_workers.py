"""Three workers of very different speed; the loader keeps the order of the batches."""

# expect: reproducible
# suspicious: true
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Slow(Dataset):
    def __len__(self):
        return 90

    def __getitem__(self, index):
        worker = get_worker_info().id
        time.sleep(time.perf_counter_ns() % 5 * 0.0004 * (worker + 1))
        x = torch.sin(torch.arange(12) * (index + 1) / 30)
        return x, x.diff().abs().sum()


def main():
    torch.manual_seed(13)
    loader = DataLoader(Slow(), batch_size=9, shuffle=True, num_workers=3, prefetch_factor=3)
    model = nn.Sequential(nn.Linear(12, 18), nn.CELU(), nn.Linear(18, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, amsgrad=True)
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
