"""Save the arguments of one operator call, so that it can be run again alone.

What is saved is plain data: `torch.load(..., weights_only=True)` reads it, also in another version of torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
from torch._C import _AutoDispatchBelowAutograd, _DisableTorchDispatch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from detaudit.digest.tensor import is_fake
from detaudit.model.plan import Capture
from detaudit.model.trace import StreamRole
from detaudit.record.recorder import Recorder
from detaudit.record.schema import OperatorPlan

CAPTURED = "operator.pt"
"""The file's name in the folder of the run."""

MOST_BYTES = 2 * 1024**3
"""Arguments that take more memory than this are not saved."""

_ALIGNMENT = 16
"""A multiple of every element's size."""

_PLAIN = (bool, int, float, complex, str, type(None))
_NAMED = (torch.dtype, torch.layout, torch.memory_format)


def capture_for(recorder: Recorder) -> CallCapture | None:
    """Return what looks out for the call that the session asks for; None if it asks for none."""
    wanted = recorder.session.capture
    return None if wanted is None else CallCapture(recorder, wanted)


class CallCapture:
    """Counts the calls of one operator in one step of the main thread, as the trace does, and saves one."""

    def __init__(self, recorder: Recorder, wanted: Capture) -> None:
        self._recorder = recorder
        self._wanted = wanted
        self._before = 0

    def before(self, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - a call of any operator
        """Save the arguments of the call that is about to be made, if it is the one."""
        if self._before != self._wanted.occurrence or not self._counts(plan):
            return
        try:
            save_call(os.path.join(self._recorder.session.folder, CAPTURED), plan, operator, args, kwargs)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self._recorder.problem(f"the arguments of {plan.name} could not be saved: {error}")

    def recorded(self, plan: OperatorPlan) -> None:
        """Count a call that was recorded: one that failed is not in the trace either."""
        if self._counts(plan):
            self._before += 1

    def _counts(self, plan: OperatorPlan) -> bool:
        if plan.name != self._wanted.operator or self._recorder.role is not StreamRole.MAIN:
            return False
        stream = self._recorder.stream()
        return stream.step == self._wanted.step and not stream.is_side


def save_call(path: str, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any) -> None:  # noqa: ANN401 - a call of any operator
    """Save what a call of an operator needs, before it is made.

    Raises TypeError or ValueError for arguments that cannot be saved, OSError or RuntimeError where writing
    fails.
    """
    # Nobody else is to see what is done here, as in computing a digest.
    with _AutoDispatchBelowAutograd(), _DisableTorchDispatch():
        call = _call(plan, operator, args, kwargs)
    # In two steps: a program that is killed meanwhile leaves no half of a file.
    torch.save(call, f"{path}.part")
    os.replace(f"{path}.part", path)


def _call(plan: OperatorPlan, operator: Any, args: Any, kwargs: Any) -> dict[str, object]:  # noqa: ANN401 - a call of any operator
    tensors = list(_tensors([args, kwargs]))
    copies = _Copies(tensors)
    devices = sorted({str(tensor.device) for tensor in tensors if tensor.is_cuda})
    return {
        "torch": str(torch.__version__),
        "operator": operator._schema.name,
        "overload": operator._overloadname,
        "args": copies.encode(args),
        "kwargs": {name: copies.encode(value) for name, value in kwargs.items()},
        "left_out": sorted(plan.left_out),
        "backward": torch._C._current_autograd_node() is not None,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": {name: bool(getattr(torch.backends.cudnn, name)) for name in ("benchmark", "deterministic")},
        "precision": _precision(),
        "generators": _generators(devices) if plan.draws else {},
    }


def _precision() -> str | None:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        # The program set precisions by another interface, which torch does not let anyone mix with this one.
        return None


def _generators(devices: list[str]) -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    return states | {device: torch.cuda.get_rng_state(device) for device in devices}


def _tensors(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


class _Copies:
    """Copies of tensors: with their strides, and sharing memory where the tensors share it."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self._spans: dict[int, tuple[int, int]] = {}
        """First byte and the one behind the last that is used of each storage."""
        self._copied: dict[int, torch.Tensor] = {}
        for tensor in tensors:
            if not _has_memory(tensor):
                raise TypeError(f"{type(tensor).__name__} has no memory of its own")
            if _is_strided(tensor):
                key, (start, end) = tensor.untyped_storage()._cdata, _span(tensor)
                low, high = self._spans.get(key, (start, end))
                self._spans[key] = min(low, start), max(high, end)
        size = sum(high - low for low, high in self._spans.values())
        if size > MOST_BYTES:
            raise ValueError(f"they take {size / 1024**3:.1f} GiB")

    def encode(self, value: Any) -> Any:  # noqa: ANN401 - an argument of any operator
        """Turn an argument into plain data and copies of tensors."""
        if isinstance(value, torch.Tensor):
            return self._copy(value) if _is_strided(value) else value.clone()
        if isinstance(value, list | tuple):
            return [self.encode(item) for item in value]
        if isinstance(value, _NAMED):
            return {"torch": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if isinstance(value, torch.Generator):
            return {"generator": value.get_state(), "on": str(value.device)}
        if type(value) in _PLAIN:
            return value
        raise TypeError(f"{type(value).__name__} cannot be saved")

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        low, high = self._spans[storage._cdata]
        if storage._cdata not in self._copied:
            empty = torch.empty(0, dtype=torch.uint8, device=tensor.device)
            self._copied[storage._cdata] = empty.set_(storage, low, (high - low,), (1,)).clone()
        offset = tensor.storage_offset() - low // tensor.itemsize
        copied = self._copied[storage._cdata].untyped_storage()
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        copy = empty.set_(copied, offset, tensor.shape, tensor.stride())
        # A lazily conjugated tensor has the values of another one in its memory.
        copy = copy.conj() if tensor.is_conj() else copy
        copy = torch._neg_view(copy) if tensor.is_neg() else copy
        return copy.resolve_conj().resolve_neg()


def _has_memory(tensor: torch.Tensor) -> bool:
    if is_fake(tensor) or is_traceable_wrapper_subclass(tensor) or tensor.is_meta or tensor.is_nested:
        return False
    # Some tensors of zeros are only said to be there.
    return not _is_strided(tensor) or bool(tensor.data_ptr()) or not tensor.numel()


def _is_strided(tensor: torch.Tensor) -> bool:
    return tensor.layout is torch.strided and not tensor.is_quantized


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """The bytes of its storage that a tensor uses, from an address that every element type may begin at."""
    start = int(tensor.storage_offset()) * tensor.itemsize
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    length = int(reach + 1) * tensor.itemsize if tensor.numel() else 0
    return start // _ALIGNMENT * _ALIGNMENT, start + length
