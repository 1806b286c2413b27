"""Say whether a device is there, and if not, why."""

from __future__ import annotations

from collections.abc import Callable

import torch

from detaudit.torch_private.backends import is_built_for_xpu


def missing(device: str) -> str | None:
    """Explain why `cpu`, `cuda`, `cuda:1`, `mps` or `xpu` cannot be used in this process; None if it can."""
    kind, _, number = device.partition(":")
    why_not = _KINDS.get(kind)
    if why_not is None:
        return f"a device is one of {', '.join(_KINDS)}"
    why, count = why_not()
    if why is None and number and int(number) >= count:
        return f"there is {count} such device, counted from 0" if count == 1 else f"there are {count} of them"
    return why


def _cpu() -> tuple[str | None, int]:
    return None, 1


def _cuda() -> tuple[str | None, int]:
    # A build for AMD's ROCm calls its devices so too.
    built = torch.version.cuda is not None or torch.version.hip is not None
    return _accelerator("CUDA", built=built, available=torch.cuda.is_available, count=torch.cuda.device_count)


def _mps() -> tuple[str | None, int]:
    mps = torch.backends.mps
    return _accelerator("MPS", built=mps.is_built(), available=mps.is_available, count=lambda: 1)


def _xpu() -> tuple[str | None, int]:
    built = is_built_for_xpu()
    return _accelerator("XPU", built=built, available=torch.xpu.is_available, count=torch.xpu.device_count)


def _accelerator(
    name: str, *, built: bool, available: Callable[[], bool], count: Callable[[], int]
) -> tuple[str | None, int]:
    if not built:
        return f"torch {torch.__version__} was built without {name}", 0
    if not available():
        return f"torch {torch.__version__} finds no {name} device on this machine", 0
    return None, count()


_KINDS: dict[str, Callable[[], tuple[str | None, int]]] = {
    "cpu": _cpu,
    "cuda": _cuda,
    "mps": _mps,
    "xpu": _xpu,
}
