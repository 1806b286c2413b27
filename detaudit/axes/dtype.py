"""The dtype of weights, inputs, and of tensors that the model makes itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from detaudit.axes.axis import MODEL_FILES, Axis, OnModel, words
from detaudit.model.variation import Promise

_NAMES = ("float64", "float32", "bfloat16", "float16")
_COMPLEX = {"float64": "complex128", "float32": "complex64", "float16": "complex32"}


class _Cast(OnModel):
    """Casts the model and its batches."""

    sets_tensors = True

    def __init__(self, name: str) -> None:
        import torch

        self._dtype: torch.dtype = getattr(torch, name)
        self._complex: torch.dtype | None = getattr(torch, _COMPLEX.get(name, ""), None)

    def cast(self, tensor: Any) -> Any:
        """Cast floating-point numbers and complex ones; integers stay integers."""
        if tensor.is_complex():
            return tensor if self._complex is None else tensor.to(self._complex)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor

    @contextlib.contextmanager
    def during_step(self) -> Iterator[None]:
        """Let tensors that the model makes itself have the dtype too.

        Batches are made outside of a step: what they draw at random depends on the default dtype.
        """
        import torch

        before = torch.get_default_dtype()
        torch.set_default_dtype(self._dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


AXIS = Axis(
    name="dtype",
    owes=Promise.PRECISION,
    syntax=words(*_NAMES, expected=", ".join(_NAMES)),
    targets=MODEL_FILES,
    instead="a script chooses its dtype itself: give the script an option for it and vary it, as in "
    '--vary args="--dtype float32","--dtype bfloat16"',
    model=_Cast,
    shares_draws=True,
    operators_comparable=False,
    in_float64="float64",
)
