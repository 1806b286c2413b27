"""Apply an axis to a model that detaudit drives itself, and to its batches; put what fails into few words."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

_MOST_LINES = 2
"""Lines of an error's message that are passed on; compilers have hundreds."""


class OnModel:
    """Leaves model and batches alone, but for the methods that an axis overrides."""

    sets_tensors = False
    """Whether parameters and the tensors of a batch are replaced."""
    place = ""
    """The device that they are moved to: `cuda:1`."""

    def cast(self, tensor: Any) -> Any:
        """Give a tensor another dtype, before it is moved."""
        return tensor

    def lay_out(self, tensor: Any) -> Any:
        """Give a tensor another order in memory, once it is moved."""
        return tensor

    def check_batch(self) -> None:
        """Raise UnfitError if neither the model nor the batch just placed has what the axis changes."""

    def compiled(self, model: Any) -> Any:
        """Give what the loss sees in the place of the model."""
        return model

    def during_step(self) -> AbstractContextManager[None]:
        """Surround the making of the optimizer, and each step."""
        return nullcontext()

    def explain(self, error: Exception) -> str | None:
        """Say what went wrong, if the axis is to blame for an error; None if it is not."""
        del error
        return None


def in_brief(error: Exception) -> str:
    """Name an error with the first lines of its message."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    return f"{type(error).__name__}: {' '.join(lines[:_MOST_LINES])}"
