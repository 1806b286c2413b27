"""Apply the axes of `--vary` to a model that detaudit drives: device, dtype, memory layout, compilation.

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
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from detaudit.axes.axis import OnModel, UnfitError, in_brief
from detaudit.axes.catalogue import axis_named
from detaudit.torch_private.backends import is_built_for_xpu
from detaudit.torch_private.modules import apply_to_tensors

_TORCH = os.path.dirname(torch.__file__) + os.sep
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Driven:
    """The conditions under which a model is trained."""

    def __init__(self, axes: Mapping[str, str]) -> None:
        """Read the conditions. Raises UnfitError if this process cannot provide them."""
        self._on_model = tuple(_on_model(axes))
        self._place = next((one.place for one in self._on_model if one.place), "")
        self._sets_tensors = any(one.sets_tensors for one in self._on_model)
        self._conditions = ", ".join(f"{axis}={value}" for axis, value in axes.items())
        why = missing(self._place) if self._place else None
        if why is not None:
            raise UnfitError(f"no such device: {self._place} ({why})")

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
            raise UnfitError(f"the model cannot be had with {self._conditions}: {in_brief(error)}") from error

    def compiled(self, model: nn.Module) -> Any:
        """Give the model in the form that its loss is to see."""
        seen: Any = model
        for one in self._on_model:
            seen = one.compiled(seen)
        return seen

    def batch(self, batch: Any) -> Any:
        """Move, cast and lay out a batch. Raises UnfitError if a layout would change nothing."""
        if not self._sets_tensors:
            return batch
        placed = self._placed(batch)
        for one in self._on_model:
            one.check_batch()
        return placed

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """One step of training. Batches are made outside of it."""
        try:
            with contextlib.ExitStack() as stack:
                for one in self._on_model:
                    stack.enter_context(one.during_step())
                yield
        except Exception as error:
            said = self._in_words(error)
            if said is None:
                raise
            raise UnfitError(said) from error

    def _in_words(self, error: Exception) -> str | None:
        """Explain an error by the conditions; None if the error is the program's own."""
        if not self._on_model:
            return None
        cause = in_brief(error)
        if isinstance(error, torch.OutOfMemoryError):
            return f"the model does not fit on {self._place or 'its device'}: {cause}"
        explained = next(filter(None, (one.explain(error) for one in self._on_model)), None)
        if explained is not None:
            return explained
        unimplemented = isinstance(error, NotImplementedError) or "not implemented for" in str(error)
        if unimplemented and self._sets_tensors:
            at = _innermost_line(error)
            return f"an operator at {at} has no implementation for {self._conditions}: {cause}"
        return None

    def _placed(self, value: Any) -> Any:  # noqa: PLR0911 - one kind of container each
        """Place the tensors of a value; a value without tensors is returned as it is."""
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
        moves = self._place and callable(getattr(value, "to", None))
        return value.to(self._place) if moves else value

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        placed: Any = tensor
        for one in self._on_model:
            placed = one.cast(placed)
        if self._place:
            placed = placed.to(self._place)
        for one in self._on_model:
            placed = one.lay_out(placed)
        return placed  # type: ignore[no-any-return]

    def _packed(self, packed: nn.utils.rnn.PackedSequence) -> nn.utils.rnn.PackedSequence:
        data = self._tensor(packed.data)
        # Lengths stay on the CPU, as torch wants them.
        orders = (None if one is None else one.to(data.device) for one in packed[2:])
        return nn.utils.rnn.PackedSequence(data, packed.batch_sizes, *orders)


def _on_model(axes: Mapping[str, str]) -> Iterator[OnModel]:
    for name, text in axes.items():
        axis = axis_named(name)
        change = None if axis.model is None else axis.model(axis.setting(text).value)
        if change is not None:
            yield change


def _innermost_line(error: Exception) -> str:
    """Find the line of an error that is neither in torch nor in this package."""
    stack = traceback.extract_tb(error.__traceback__)
    frames = [one for one in stack if not one.filename.startswith((_TORCH, _PACKAGE))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown line"


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
