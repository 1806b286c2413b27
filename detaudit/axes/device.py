"""The device that computes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detaudit.axes.axis import Axis, OnModel, Syntax
from detaudit.model.variation import Promise


@dataclass(frozen=True, slots=True)
class Device:
    """`cuda`, or `cuda:1`."""

    kind: str
    number: int | None = None

    def __str__(self) -> str:
        return self.kind if self.number is None else f"{self.kind}:{self.number}"


class _Moved(OnModel):
    """Moves the model and its batches."""

    sets_tensors = True

    def __init__(self, device: Device) -> None:
        self.place = str(device)


def _read(text: str) -> Device:
    if not re.fullmatch("(cpu|cuda|mps|xpu)(:[0-9]+)?", text):
        raise ValueError(text)
    kind, _, number = text.partition(":")
    return Device(kind, int(number) if number else None)


def _shown(device: Device) -> dict[str, str]:
    """Show a script one device alone: it takes the device that it finds."""
    if device.kind != "cuda":
        return {"CUDA_VISIBLE_DEVICES": ""}
    return {} if device.number is None else {"CUDA_VISIBLE_DEVICES": str(device.number)}


def _hide_others(device: Device) -> None:
    """Hide all other devices, so that a program that takes what it finds takes this one."""
    import torch

    if device.kind != "mps":
        torch.backends.mps.is_available = lambda: False  # type: ignore[assignment]  # torch caches its answer
    if device.kind != "xpu":
        torch.xpu.is_available = lambda: False
        torch.xpu.device_count = lambda: 0


AXIS = Axis(
    name="device",
    owes=Promise.PRECISION,
    syntax=Syntax("cpu, cuda, cuda:1, mps, xpu", _read),
    environment=_shown,
    in_process=_hide_others,
    needs_device=lambda device: device.kind,
    model=_Moved,
    shares_draws=True,
    in_float64="cpu",
)
