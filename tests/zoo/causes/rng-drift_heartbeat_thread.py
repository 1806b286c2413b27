"""A heartbeat thread takes its jitter from the generator that also picks the training samples."""

# expect: not-reproducible cause=rng-drift|thread-race phase=data module=None line=19|31|33
import random
import threading

import torch
from torch import nn


class Heartbeat(threading.Thread):
    """Tells a monitor that the job lives, at slightly irregular intervals."""

    def __init__(self):
        super().__init__(daemon=True)
        self.beats, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(random.uniform(0.0005, 0.002)):  # fault
            self.beats += 1


def main():
    random.seed(33)
    torch.manual_seed(33)
    sky = torch.rand(300, 3, 8, 8)
    cloudy = (sky.mean((1, 2, 3)) > 0.5).long()
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    heartbeat = Heartbeat()
    heartbeat.start()
    for _step in range(60):
        rows = random.sample(range(300), 16)
        loss = nn.functional.cross_entropy(model(sky[rows]), cloudy[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    heartbeat.over.set()
    heartbeat.join()
    print("beats", heartbeat.beats)
    print("weights", sum(p.double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
