"""Programs of several ranks, and how they are started."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_BESIDE = str(Path(sys.executable).parent)
TORCHRUN = f"{shutil.which('torchrun', path=_BESIDE) or 'torchrun'} --standalone --nproc-per-node 2"
"""Finds a free port by itself, so that tests can run side by side."""

GLOO = """
    import os, sys
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    def fault(name):
        return name in sys.argv and int(sys.argv[sys.argv.index(name) + 1]) == int(os.environ["RANK"])
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    net = DistributedDataParallel(torch.nn.Linear(4, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    noise = torch.Generator().manual_seed(dist.get_rank())
    if fault("--fault"):
        noise.seed()
    for step in range(3):
        optimizer.zero_grad()
        net(torch.randn(8, 4, generator=noise)).square().mean().backward()
        optimizer.step()
        if step == 1 and fault("--kill"):
            os.kill(os.getpid(), 9)
    print("trained", dist.get_rank())
    dist.destroy_process_group()
    sys.exit(int(fault("--fail")) * 3)
"""
"""Trains with as many ranks as it is started with: `--fault N`, `--kill N`, `--fail N` name a rank."""
