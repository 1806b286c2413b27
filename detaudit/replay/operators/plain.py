"""Turn an operator's arguments into plain data and back; find the memory of its tensors and its outputs."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from detaudit.torch_private.operators import schema_of
from detaudit.torch_private.tensors import is_fake, is_wrapper_subclass, negative_view, storage_identity

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
