"""Backends: precisions of single operators, cuDNN as a whole, and what torch was built for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

fp32_precision = torch._C._get_fp32_precision_getter
"""Gives the precision of float32 in a kind of operator of a backend: recurrent layers have no public
switch."""

set_fp32_precision = torch._C._set_fp32_precision_setter
"""Sets that precision."""


@contextlib.contextmanager
def without_cudnn() -> Iterator[None]:
    """Go without cuDNN in the block."""
    # Not `torch.backends.cudnn.flags`, which sets everything else of cuDNN too.
    before = torch._C._get_cudnn_enabled()
    torch._C._set_cudnn_enabled(False)  # noqa: FBT003 - it takes no name
    try:
        yield
    finally:
        torch._C._set_cudnn_enabled(before)


def is_built_for_xpu() -> bool:
    """Say whether torch was built for Intel's GPUs."""
    return torch.xpu._is_compiled()
