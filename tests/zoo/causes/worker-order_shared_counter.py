"""The workers of an iterable dataset take the next document from a counter that they share."""

# expect: not-reproducible cause=worker-order|completion-order|thread-race phase=data module=None line=18|17|19|23|37
import multiprocessing

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Documents(IterableDataset):
    def __init__(self, count):
        self.count = count
        self.next = multiprocessing.Value("i", 0)

    def claim(self):
        with self.next.get_lock():
            self.next.value += 1  # fault
            return self.next.value - 1

    def __iter__(self):
        worker = get_worker_info()
        while (document := self.claim()) < self.count:
            torch.manual_seed(document + worker.num_workers)
            text = torch.randint(0, 50, (200 + 400 * (document % 4),))
            counts = torch.zeros(50)
            for letter in text.tolist():
                counts[letter] += 1
            yield counts / len(text), document % 4


def main():
    torch.manual_seed(6)
    loader = DataLoader(Documents(120), batch_size=8, num_workers=2)
    model = nn.Sequential(nn.Linear(50, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for counts, topic in loader:
        loss = nn.functional.cross_entropy(model(50 * counts), topic)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
