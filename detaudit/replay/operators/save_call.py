"""Save the arguments of one operator call, so that it can be run again alone.

The file holds plain data: `torch.load(..., weights_only=True)` reads it, also in another version of torch.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from detaudit.model.plan import Capture
from detaudit.model.trace import StreamRole
from detaudit.record.listeners import Seen
from detaudit.record.recorder import Recorder
from detaudit.record.schema import OperatorPlan
from detaudit.replay.operators.arguments import Spans, encode, is_strided, resolved, storage_key, tensors_in
from detaudit.replay.wire.files import CAPTURED
from detaudit.torch_private.autograd import current_node
from detaudit.torch_private.modes import Unseen
from detaudit.torch_private.operators import overload_name, schema_of

MOST_BYTES = 2 * 1024**3
"""Arguments that take more memory than this are not saved."""


def save_one_call(recorder: Recorder, wanted: Capture) -> None:
    """Have the arguments of one operator call saved."""
    recorder.listeners.on_operator.append(CallCapture(recorder, wanted))


class CallCapture:
    """Counts the calls of one operator in one step of the main thread, as the trace does, and saves one."""

    def __init__(self, recorder: Recorder, wanted: Capture) -> None:
        self._recorder = recorder
        self._wanted = wanted
        self._before = 0

    def before(self, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any, _seen: Seen) -> None:
        """Save the arguments of the call that is about to be made, if it is the wanted call."""
        if self._before != self._wanted.occurrence or not self._counts(plan):
            return
        try:
            save_call(os.path.join(self._recorder.session.folder, CAPTURED), plan, operator, args, kwargs)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self._recorder.problem(f"the arguments of {plan.name} could not be saved: {error}")

    def after(self, plan: OperatorPlan, _result: object) -> None:
        """Count a call that was recorded: a call that failed is not in the trace either."""
        if self._counts(plan):
            self._before += 1

    def _counts(self, plan: OperatorPlan) -> bool:
        if plan.name != self._wanted.operator or self._recorder.process.role is not StreamRole.MAIN:
            return False
        stream = self._recorder.stream()
        return stream.step == self._wanted.step and not stream.is_side


def save_call(path: str, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any) -> None:
    """Save everything that an operator call needs, before the call is made.

    Raises TypeError or ValueError for arguments that cannot be saved, OSError or RuntimeError where writing
    fails.
    """
    with Unseen():
        call = _call(plan, operator, args, kwargs)
    # In two steps: a program that is killed meanwhile leaves no half of a file.
    torch.save(call, f"{path}.part")
    os.replace(f"{path}.part", path)


def _call(plan: OperatorPlan, operator: Any, args: Any, kwargs: Any) -> dict[str, object]:
    tensors = list(tensors_in([args, kwargs]))
    copies = _StridedCopies(tensors)
    devices = sorted({str(tensor.device) for tensor in tensors if tensor.is_cuda})
    return {
        "torch": str(torch.__version__),
        "operator": schema_of(operator).name,
        "overload": overload_name(operator),
        "args": copies.encode(args),
        "kwargs": {name: copies.encode(value) for name, value in kwargs.items()},
        "left_out": sorted(plan.left_out),
        "backward": current_node() is not None,
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


class _StridedCopies:
    """Copies of tensors with their strides; copies share memory where the tensors share memory."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self._spans = Spans(tensors)
        self._copied: dict[int, torch.Tensor] = {}
        if self._spans.size > MOST_BYTES:
            raise ValueError(f"they take {self._spans.size / 1024**3:.1f} GiB")

    def encode(self, value: Any) -> Any:
        """Turn an argument into plain data and copies of tensors."""
        return encode(value, self._copy)

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        if not is_strided(tensor):
            return tensor.clone()
        key = storage_key(tensor)
        if key not in self._copied:
            self._copied[key] = self._spans.memory(tensor).clone()
        copied = self._copied[key].untyped_storage()
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        copy = empty.set_(copied, self._spans.offset(tensor), tensor.shape, tensor.stride())
        return resolved(copy, tensor)
