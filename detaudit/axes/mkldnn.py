"""oneDNN's kernels, or torch's own."""

from __future__ import annotations

from detaudit.axes.axis import Axis, flag, on_off
from detaudit.model.variation import Promise


def _set(on: bool) -> None:  # noqa: FBT001 - the value of the axis
    import torch

    torch.backends.mkldnn.set_flags(on)


AXIS = Axis(
    name="mkldnn",
    owes=Promise.ROUNDING,
    syntax=on_off(),
    in_process=_set,
    in_force=flag("mkldnn"),
    pin="keep torch.backends.mkldnn.enabled as it was",
)
