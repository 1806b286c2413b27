"""The memory layout of images and volumes, and of the weights of their convolutions."""

from __future__ import annotations

from typing import Any

from detaudit.axes.axis import MODEL_FILES, Axis, OnModel, UnfitError, words
from detaudit.model.variation import Promise

_CONTIGUOUS, _LAST = "contiguous", "channels-last"


class _LaidOut(OnModel):
    """Puts tensors with channels into the one or the other order."""

    sets_tensors = True

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._rearranged = False
        """Whether any tensor is in another order in memory than it would be otherwise."""

    def lay_out(self, tensor: Any) -> Any:
        """Reorder a tensor of images or volumes, known by their number of dimensions."""
        import torch
        from torch.nn.parameter import is_lazy

        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        memory_format = None if is_lazy(tensor) else formats.get(tensor.dim())
        if memory_format is None or tensor.layout is not torch.strided:
            return tensor
        if self._layout == _CONTIGUOUS:
            return tensor.contiguous()
        reordered = tensor.to(memory_format=memory_format)
        self._rearranged = self._rearranged or not reordered.is_contiguous()
        return reordered

    def check_batch(self) -> None:
        """Refuse a layout that changes nothing: two runs would be equal for no reason."""
        if self._layout == _LAST and not self._rearranged:
            raise UnfitError(
                f"layout={_LAST} changes nothing: no weight and no input has channels to reorder"
            )


AXIS = Axis(
    name="layout",
    owes=Promise.ROUNDING,
    syntax=words(_CONTIGUOUS, _LAST),
    targets=MODEL_FILES,
    instead="a script chooses its memory format itself: give the script an option for it and vary it, "
    'as in --vary args="","--channels-last"',
    model=_LaidOut,
    pin="keep one memory format in all runs",
)
