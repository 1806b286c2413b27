"""Turn an operator's arguments into plain data and back; find the memory of its tensors and its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from detaudit.torch_private.operators import schema_of
from detaudit.torch_private.tensors import (
    is_fake,
    is_wrapper_subclass,
    negative_view,
    overlaps_itself,
    storage_identity,
)

_ALIGNMENT = 16
"""A multiple of the size of every element type."""

_PLAIN = (bool, int, float, complex, str, type(None))
_WIDEST = {float: torch.float64, complex: torch.complex128}
_NAMED = (torch.dtype, torch.layout, torch.memory_format)


def encode(value: Any, of_tensor: Callable[[torch.Tensor], Any]) -> Any:
    """Turn an argument into plain data; `of_tensor` returns the form that stands for a tensor.

    Raises TypeError for a value without such a form.
    """
    if isinstance(value, torch.Tensor):
        return of_tensor(value)
    if isinstance(value, list | tuple):
        return [encode(item, of_tensor) for item in value]
    if isinstance(value, _NAMED):
        return {"torch": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, torch.Generator):
        return {"generator": value.get_state(), "on": str(value.device)}
    if type(value) in _PLAIN:
        return value
    raise TypeError(f"{type(value).__name__} cannot be saved")


def decode(value: Any, restored: Callable[[Any], torch.Tensor | None]) -> Any:
    """Turn plain data back into an argument; `restored` returns a tensor, or None if the data is not one."""
    tensor = restored(value)
    if tensor is not None:
        return tensor
    decoded: Any = value
    match value:
        case list():
            decoded = [decode(item, restored) for item in value]
        case {"torch": str(name)}:
            decoded = getattr(torch, name)
        case {"device": str(name)}:
            decoded = torch.device(name)
        case {"generator": state, "on": device}:
            decoded = torch.Generator(device).set_state(state)
        case {"complex": [real, imaginary]}:
            decoded = complex(real, imaginary)
        case dict():
            decoded = {name: decode(item, restored) for name, item in value.items()}
    return decoded


def outputs_of(
    operator: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    result: object,
    left_out: Container[int],
) -> list[torch.Tensor]:
    """Return all tensors that a call gave or wrote to, each once, numbers as tensors, without `left_out`."""
    results = result if isinstance(result, tuple | list) else (result,)
    given = [item for position, item in enumerate(results) if position not in left_out]
    written = [
        args[position] if position < len(args) else kwargs.get(argument.name)
        for position, argument in enumerate(schema_of(operator).arguments)
        if is_written(argument)
    ]
    found = list(_with_numbers([given, written]))
    return [one for number, one in enumerate(found) if not any(one is other for other in found[:number])]


def is_written(argument: Any) -> bool:
    """Say whether an operator writes to an argument, or returns an argument that it has written to."""
    return argument.alias_info is not None and argument.alias_info.is_write


def _with_numbers(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, bool | int | float | complex):
        yield torch.tensor(value, dtype=_WIDEST.get(type(value)))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _with_numbers(item)


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """Iterate over every tensor among arguments or results."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)


def is_strided(tensor: torch.Tensor) -> bool:
    """Say whether a tensor is only a pattern of strides over memory."""
    return tensor.layout is torch.strided and not tensor.is_quantized


def resolved(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return the values of a tensor over the memory of `like`: its conjugate or negative if `like` is so."""
    # A lazily conjugated tensor has the values of another one in its memory.
    tensor = tensor.conj() if like.is_conj() else tensor
    tensor = negative_view(tensor) if like.is_neg() else tensor
    return tensor.resolve_conj().resolve_neg()


class Spans:
    """The bytes of each storage that the tensors of one call use."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        """Find the used bytes of each storage. Raises TypeError for a tensor without memory of its own."""
        self._spans: dict[int, tuple[int, int]] = {}
        """For each storage, the first byte that is used, and the byte behind the last."""
        for tensor in tensors:
            if not _has_memory(tensor):
                raise TypeError(f"{type(tensor).__name__} has no memory of its own")
            if is_strided(tensor):
                key, (start, end) = storage_key(tensor), _span(tensor)
                low, high = self._spans.get(key, (start, end))
                self._spans[key] = min(low, start), max(high, end)

    @property
    def size(self) -> int:
        """How many bytes all spans have together."""
        return sum(high - low for low, high in self._spans.values())

    def memory(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the used bytes of a tensor's storage as a row of bytes, without a copy."""
        low, high = self._spans[storage_key(tensor)]
        empty = torch.empty(0, dtype=torch.uint8, device=tensor.device)
        return empty.set_(tensor.untyped_storage(), low, (high - low,), (1,))

    def offset(self, tensor: torch.Tensor) -> int:
        """Return the position at which a tensor begins within these bytes, in elements."""
        low, _ = self._spans[storage_key(tensor)]
        return int(tensor.storage_offset()) - low // tensor.itemsize


def storage_key(tensor: torch.Tensor) -> int:
    """Return a number for a tensor's storage, equal for all tensors that share it, while it lives."""
    return int(storage_identity(tensor.untyped_storage()))


def _has_memory(tensor: torch.Tensor) -> bool:
    if is_fake(tensor) or is_wrapper_subclass(tensor) or tensor.is_meta or tensor.is_nested:
        return False
    # Some tensors of zeros are only said to be there.
    return not is_strided(tensor) or bool(tensor.data_ptr()) or not tensor.numel()


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    """Return the first byte of its storage that a tensor uses, rounded down to alignment, and the end."""
    start = int(tensor.storage_offset()) * tensor.itemsize
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    length = int(reach + 1) * tensor.itemsize if tensor.numel() else 0
    return start // _ALIGNMENT * _ALIGNMENT, start + length


def as_text(values: dict[str, Any] | None) -> str | None:
    """Turn kept values into JSON. Raises TypeError for a value that JSON cannot hold."""
    return None if values is None else json.dumps(values, default=_complex)


def _complex(value: object) -> dict[str, list[float]]:
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    raise TypeError(f"{type(value).__name__} cannot be written down")


class KeptArguments:
    """Decodes the values of one call; tensors that shared memory in the other run share it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storages: dict[int, torch.Tensor] = {}

    def decode(self, value: Any) -> Any:
        """Decode an argument as it was in the other run."""
        return decode(value, self._restored)

    def like(self, value: Any, own: Any) -> Any:
        """Decode an argument in this run's form: with the device, dtype and memory order of `own`."""
        if isinstance(own, torch.Tensor):
            kept = self.decode(value)
            if not isinstance(kept, torch.Tensor):
                return kept
            formed = _in_form_of(own, kept)
            # Some kernels give more where a gradient will be asked for.
            differentiable = own.requires_grad and (formed.is_floating_point() or formed.is_complex())
            return formed.requires_grad_(differentiable and not formed.is_inference())
        if isinstance(own, torch.device | torch.dtype | torch.layout | torch.memory_format):
            return own
        if isinstance(own, list | tuple) and isinstance(value, list) and len(own) == len(value):
            return [self.like(item, other) for item, other in zip(value, own, strict=True)]
        if isinstance(own, dict) and isinstance(value, dict) and own.keys() == value.keys():
            return {name: self.like(item, own[name]) for name, item in value.items()}
        return self.decode(value)

    def _restored(self, value: Any) -> torch.Tensor | None:
        match value:
            case {"memory": str(digest)}:
                return self._tensor(value, digest)
            case {"whole": str(digest), "device": str(device)}:
                return self._load(digest).to(device)
        return None

    def _tensor(self, form: Mapping[str, Any], digest: str) -> torch.Tensor:
        number = form["storage"]
        if number not in self._storages:
            self._storages[number] = self._load(digest).to(form["device"])
        memory = self._storages[number].untyped_storage()
        empty = torch.empty(0, dtype=getattr(torch, form["dtype"]), device=form["device"])
        tensor = empty.set_(memory, form["offset"], form["shape"], form["stride"])
        # As lazily as it was: kernels conjugate while they compute.
        is_conjugate, is_negative = form["flags"]
        tensor = tensor.conj() if is_conjugate else tensor
        return negative_view(tensor) if is_negative else tensor

    def _load(self, digest: str) -> torch.Tensor:
        tensor: torch.Tensor = torch.load(self._folder / f"{digest}.pt", weights_only=True)
        return tensor


def _in_form_of(own: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Convert the kept values to the form of a tensor of this run."""
    same_kind = own.is_floating_point() == kept.is_floating_point() and own.is_complex() == kept.is_complex()
    dtype = own.dtype if same_kind and own.dtype is not torch.bool is not kept.dtype else kept.dtype
    if not (is_strided(own) and is_strided(kept)) or own.shape != kept.shape:
        return kept.to(own.device, dtype)
    if (own.device, dtype, own.stride()) == (kept.device, kept.dtype, kept.stride()):
        return kept
    if overlaps_itself(own):
        # Several elements in one place: only a tensor that no operator may write to is like that.
        return kept.to(own.device, dtype)
    return torch.empty_strided(own.shape, own.stride(), dtype=dtype, device=own.device).copy_(kept)
