"""Wind turbine power curve model with a chatty, clock-driven logger."""

# expect: reproducible
import logging
import random
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
log = logging.getLogger("turbine")


class Stopwatch:
    def __init__(self):
        self.laps = []

    def __enter__(self):
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.laps.append(time.perf_counter() - self.began)


class ProgressLogger:
    """Logs when enough time has gone by; probes the curve at random wind speeds of its own."""

    def __init__(self, total, every=0.02):
        self.total, self.every = total, every
        self.began = self.last = time.time()
        self.probe = torch.Generator().manual_seed(int(self.began))

    def update(self, step, model, loss):
        now = time.time()
        if now - self.last < self.every:
            return
        speed = torch.rand(1, 3, generator=self.probe)
        with torch.no_grad():
            power = model(speed).item()
        eta = (now - self.began) / (step + 1) * (self.total - step - 1)
        log.info("step %d/%d loss %.4f probe %.3f eta %.1fs", step, self.total, loss, power, eta)
        self.last = now


class PowerCurve(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.fc1 = nn.Linear(3, hidden)
        self.drop = nn.Dropout(0.1)
        self.fc2 = nn.Linear(hidden, 1)

    def forward(self, x):
        h = torch.sigmoid(self.fc1(x))
        if self.training and torch.is_grad_enabled():
            h = self.drop(h)
        return self.fc2(h).squeeze(-1)


def scada(n=800):
    x = torch.rand(n, 3)
    power = torch.sigmoid(12 * (x[:, 0] - 0.5)) * (1 - 0.2 * x[:, 1]) + 0.05 * x[:, 2]
    return TensorDataset(x, power + 0.02 * torch.randn(n))


def main(epochs=4, batch_size=20, seed=500):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    data = scada()
    loader = DataLoader(data, batch_size=batch_size, shuffle=True)
    model = PowerCurve()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    progress, watch, step = ProgressLogger(epochs * len(loader)), Stopwatch(), 0
    for epoch in range(epochs):
        for x, y in loader:
            with watch:
                loss = nn.functional.mse_loss(model(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            progress.update(step, model, loss.item())
            if watch.laps[-1] > 0.05:
                log.warning("slow step %d: %.3fs", step, watch.laps[-1])
            step += 1
        scheduler.step()
    print(f"mean step {1000 * sum(watch.laps) / len(watch.laps):.2f} ms")
    print("weights", sum(p.detach().double().sum().item() for p in model.parameters()))


if __name__ == "__main__":
    main()
