"""Producer threads put batches into one queue; training takes whatever comes next."""

# expect: not-reproducible cause=completion-order phase=data module=None line=44|24
import queue
import threading

import numpy as np
import torch
from torch import nn

torch.manual_seed(38)
THREADS, PER_THREAD = 3, 25


def produce(rank, ready):
    rng = np.random.default_rng(rank)
    for _ in range(PER_THREAD):
        # Throws darts until sixty of them hit the disc.
        hits = []
        while len(hits) < 60:
            dart = rng.uniform(-1, 1, 2)
            if dart @ dart < 0.2 + 0.1 * rank:
                hits.append(dart)
        ready.put((torch.tensor(np.array(hits), dtype=torch.float32), rank))


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.point = nn.Linear(2, 20)
        self.verdict = nn.Linear(20, THREADS)

    def forward(self, points):
        return self.verdict(torch.relu(self.point(points)).mean(0))


ready = queue.Queue()
threads = [threading.Thread(target=produce, args=(rank, ready)) for rank in range(THREADS)]
for thread in threads:
    thread.start()
model = Critic()
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
for _step in range(THREADS * PER_THREAD):
    points, rank = ready.get()  # fault
    loss = nn.functional.cross_entropy(model(points), torch.tensor(rank))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("weights", sum(p.double().sum().item() for p in model.parameters()))
