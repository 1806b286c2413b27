"""Bearing fault detection, batches streamed from a simulated sensor gateway."""

# expect: not-reproducible cause=rng-drift|thread-race phase=data module=None line=46
import queue
import random
import threading
import time

import numpy as np
import torch
from torch import nn


class SensorGateway(threading.Thread):
    """Delivers windows of vibration data, in order, as fast as it can compute them."""

    def __init__(self, batches, size=16, length=128):
        super().__init__(daemon=True)
        self.batches, self.size, self.length = batches, size, length
        self.out = queue.Queue(maxsize=4)

    def window(self, rng, label):
        t = np.arange(self.length)
        base = np.sin(t * (0.2 + 0.05 * label)) + 0.3 * rng.standard_normal(self.length)
        for _ in range(4):
            base = np.convolve(base, [0.2, 0.6, 0.2], mode="same")
        return base.astype(np.float32)

    def run(self):
        for b in range(self.batches):
            rng = np.random.default_rng(b)
            labels = rng.integers(0, 4, self.size)
            x = np.stack([self.window(rng, k) for k in labels])
            time.sleep(0.015)
            self.out.put((torch.from_numpy(x), torch.from_numpy(labels)))
        self.out.put(None)


def poll(source, attempts=1000):
    """Non-blocking get with jittered backoff."""
    delay = 1e-4
    for _ in range(attempts):
        try:
            return source.get_nowait()
        except queue.Empty:
            time.sleep(delay * random.uniform(0.5, 1.5))  # fault
            delay = min(delay * 1.5, 1e-3)
    raise TimeoutError("gateway is silent")


def augment(x):
    gain = random.uniform(0.8, 1.2)
    shift = random.randrange(x.shape[1])
    return torch.roll(x * gain, shift, dims=1)


class FaultNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 12, 9, stride=4)
        self.bn = nn.BatchNorm1d(12)
        self.fc = nn.Linear(12, 4)

    def forward(self, x):
        return self.fc(torch.relu(self.bn(self.conv(x.unsqueeze(1)))).mean(-1))


def main():
    random.seed(40)
    np.random.seed(40)
    torch.manual_seed(40)
    torch.set_num_threads(1)
    gateway = SensorGateway(batches=60)
    gateway.start()
    model = FaultNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    seen = 0
    while (batch := poll(gateway.out)) is not None:
        x, y = batch
        loss = nn.functional.cross_entropy(model(augment(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(x)
    print(f"{seen} windows, loss {loss.item():.4f}")
    print("weights", sum(p.detach().double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
