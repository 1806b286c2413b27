"""torch's deterministic algorithms."""

from __future__ import annotations

from detaudit.axes.axis import Axis, flag, on_off
from detaudit.model.variation import Promise

VARIABLES = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
"""One of the two values with which cuBLAS is deterministic (PyTorch, "Reproducibility")."""


def _set(on: bool) -> None:  # noqa: FBT001 - the value of the axis
    import torch

    torch.use_deterministic_algorithms(on)


AXIS = Axis(
    name="deterministic",
    owes=Promise.ROUNDING,
    syntax=on_off(),
    environment=lambda on: VARIABLES if on else {},
    in_process=_set,
    in_force=flag("deterministic_algorithms"),
    pin="switch torch.use_deterministic_algorithms the same way in all runs",
)
