"""What the axes of `--vary` do to a model that detaudit drives: device, dtype, memory layout, compilation.

Model and batches are made as ever, on the CPU and in their own dtype, and are moved and cast then: both sides
begin with the same numbers. What is not varied is left alone, object for object.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import os
import traceback
from collections import UserDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from detaudit.torch_private.by_name import COMPILERS
from detaudit.torch_private.modules import apply_to_tensors

_COMPLEX = {torch.float64: torch.complex128, torch.float32: torch.complex64, torch.float16: torch.complex32}
_CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The memory formats of tensors of images and of volumes, by their number of dimensions."""

_MOST_LINES = 2
"""Lines of an error's message that are passed on; compilers have hundreds."""

_TORCH = os.path.dirname(torch.__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class UnfitError(Exception):
    """The model cannot be driven so; the message says why."""


class Driven:
    """The conditions under which a model is trained."""

    def __init__(self, axes: Mapping[str, str]) -> None:
        """Raises UnfitError if they cannot be had in this process."""
        self._device = axes.get("device")
        dtype = axes.get("dtype")
        self._dtype: torch.dtype | None = None if dtype is None else getattr(torch, dtype)
        self._layout = axes.get("layout")
        self._compiles = axes.get("compile") == "on"
        self._sets_tensors = bool({"device", "dtype", "layout"} & axes.keys())
        self._varied = ", ".join(f"{axis}={value}" for axis, value in axes.items())
        self._rearranged = False
        """Whether any tensor is in another order in memory than it would be otherwise."""
        if self._device is not None:
            from detaudit.target.devices import missing

            why = missing(self._device)
            if why is not None:
                raise UnfitError(f"no such device: {self._device} ({why})")

    def place(self, model: nn.Module) -> None:
        """Move, cast and lay out the parameters and buffers of a model that was just made."""
        if not self._sets_tensors:
            return
        try:
            apply_to_tensors(model, self._tensor)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError) as error:
            # MPS has no float64, for one.
            raise UnfitError(f"the model cannot be had with {self._varied}: {_brief(error)}") from error

    def compiled(self, model: nn.Module) -> Any:  # noqa: ANN401 - a module, or what stands for one
        """The model as its loss is to see it."""
        # Random numbers as without compilation, so that those of another run can be taken.
        return torch.compile(model, options={"fallback_random": True}) if self._compiles else model

    def batch(self, batch: Any) -> Any:  # noqa: ANN401 - any batch
        """A batch, moved, cast and laid out. Raises UnfitError if a layout would change nothing."""
        if not self._sets_tensors:
            return batch
        placed = self._placed(batch)
        if self._layout == "channels-last" and not self._rearranged:
            raise UnfitError(
                "layout=channels-last changes nothing: no weight and no input has channels to reorder"
            )
        return placed

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """One step of training: tensors that the model makes itself are of the dtype too.

        Batches are made outside of it: what they draw at random depends on the default dtype.
        """
        before = torch.get_default_dtype()
        if self._dtype is not None:
            torch.set_default_dtype(self._dtype)
        try:
            yield
        except Exception as error:
            said = self._in_words(error)
            if said is None:
                raise
            raise UnfitError(said) from error
        finally:
            torch.set_default_dtype(before)

    def _in_words(self, error: Exception) -> str | None:
        """What an error says about the conditions; None if it is the program's own."""
        if not (self._sets_tensors or self._compiles):
            return None
        cause = _brief(error)
        if isinstance(error, torch.OutOfMemoryError):
            return f"the model does not fit on {self._device or 'its device'}: {cause}"
        if self._compiles and type(error).__module__.startswith(COMPILERS):
            return f"torch.compile failed: {cause}"
        unimplemented = isinstance(error, NotImplementedError) or "not implemented for" in str(error)
        if unimplemented and self._sets_tensors:
            at = _innermost_line(error)
            return f"an operator at {at} has no implementation for {self._varied}: {cause}"
        return None

    def _placed(self, value: Any) -> Any:  # noqa: ANN401, PLR0911 - one kind of container each
        """A value with its tensors placed; what holds none is handed back as it is."""
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, nn.utils.rnn.PackedSequence):
            return self._packed(value)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self._placed, value))
        if isinstance(value, list | tuple):
            return type(value)(map(self._placed, value))
        if isinstance(value, dict | UserDict):
            placed = copy.copy(value)
            placed.update({key: self._placed(item) for key, item in value.items()})
            return placed
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            parts = {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.init}
            return dataclasses.replace(value, **{name: self._placed(part) for name, part in parts.items()})
        # A batch of a library's own class, of which no more is known.
        moves = self._device is not None and callable(getattr(value, "to", None))
        return value.to(self._device) if moves else value

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = self._dtype
        if dtype is not None and tensor.is_complex():
            dtype = _COMPLEX.get(dtype)
        elif not tensor.is_floating_point():
            dtype = None
        placed = tensor.to(self._device, dtype)
        return placed if self._layout is None else self._laid_out(placed)

    def _laid_out(self, tensor: torch.Tensor) -> torch.Tensor:
        memory_format = None if is_lazy(tensor) else _CHANNELS_LAST.get(tensor.dim())
        if memory_format is None or tensor.layout is not torch.strided:
            return tensor
        if self._layout == "contiguous":
            return tensor.contiguous()
        reordered = tensor.to(memory_format=memory_format)
        self._rearranged = self._rearranged or not reordered.is_contiguous()
        return reordered

    def _packed(self, packed: nn.utils.rnn.PackedSequence) -> nn.utils.rnn.PackedSequence:
        data = self._tensor(packed.data)
        # Lengths stay on the CPU, as torch wants them.
        orders = (None if one is None else one.to(data.device) for one in packed[2:])
        return nn.utils.rnn.PackedSequence(data, packed.batch_sizes, *orders)


def _brief(error: Exception) -> str:
    """An error in a line."""
    lines = [line for line in map(str.strip, str(error).splitlines()) if line]
    return f"{type(error).__name__}: {' '.join(lines[:_MOST_LINES])}"


def _innermost_line(error: Exception) -> str:
    """The line of an error that is not torch's, nor this package's."""
    stack = traceback.extract_tb(error.__traceback__)
    frames = [one for one in stack if not one.filename.startswith((_TORCH, _PACKAGE))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown line"
