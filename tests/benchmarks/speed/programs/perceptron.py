"""`python perceptron.py STEPS FILE`: trains a small perceptron, and notes its time and memory.

A line for each hundredth of the steps: seconds since the start, resident and greatest resident memory in KiB.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

MARKS = 100


def memory() -> tuple[int, int]:
    """Resident memory of this process, now and at most so far, in KiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    now, most = (re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE) for name in ("VmRSS", "VmHWM"))
    if now is None or most is None:
        raise RuntimeError("the system does not say how much memory is resident")
    return int(now[1]), int(most[1])


def main(steps: int, file: Path) -> None:
    """Train for a number of steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters())
    criterion = nn.CrossEntropyLoss()
    data = TensorDataset(torch.randn(1024, 64), torch.randint(10, (1024,)))
    loader = DataLoader(data, batch_size=32, shuffle=True)
    every, step, start = max(1, steps // MARKS), 0, time.perf_counter()
    with file.open("w", encoding="ascii") as marks:
        while step < steps:
            for inputs, labels in loader:
                optimizer.zero_grad()
                criterion(model(inputs), labels).backward()
                optimizer.step()
                step += 1
                if step % every == 0:
                    print(time.perf_counter() - start, *memory(), file=marks)
                if step == steps:
                    break


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
