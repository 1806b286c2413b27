"""Tell which rank of a distributed training this process is, as `torch.distributed` numbers it.

Source: https://docs.pytorch.org/docs/stable/distributed.html, and for the count of restarts
https://docs.pytorch.org/docs/stable/elastic/run.html.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from torch import distributed

from detaudit.model.trace import Rank

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

_RESTARTS = "TORCHELASTIC_RESTART_COUNT"
_RANK, _WORLD = "RANK", "WORLD_SIZE"


def own_rank() -> Rank | None:
    """Return the rank of this process; None where it is none, or the only one.

    To be asked at the ends of steps: launchers set different variables, and programs may choose ranks.
    """
    if not distributed.is_available() or not distributed.is_initialized():
        return None
    world = distributed.get_world_size()
    if world <= 1:
        return None
    return Rank(distributed.get_rank(), world, socket.gethostname(), _whole(os.environ.get(_RESTARTS)))


def rank_of_launcher() -> str:
    """Name the rank for which a launcher has started this process or one above it; "" if there is none."""
    number, world = os.environ.get(_RANK, ""), _whole(os.environ.get(_WORLD))
    return f"rank {number}" if number.isdecimal() and world > 1 else ""


def mesh_in_words(mesh: DeviceMesh) -> str:
    """Describe a mesh of devices over which tensors are spread: `dp=2, tp=4`."""
    names = mesh.mesh_dim_names or tuple(str(number) for number in range(mesh.ndim))
    return ", ".join(f"{name}={size}" for name, size in zip(names, mesh.shape, strict=True))


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isdecimal() else 0
