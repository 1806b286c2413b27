"""A text for an object that is the same in every run: neither its address nor its hash is in it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from xxhash import xxh3_64_hexdigest

PLAIN = (str, bytes, int, float, complex, bool, type(None))
DEEPEST = 3
LARGEST = 1 << 20
"""Tensors of more bytes are told apart by shape and dtype alone."""


def hashed_by_address(item: object) -> bool:
    """Whether an object's hash comes from where it lies in memory."""
    if isinstance(item, tuple | frozenset):
        return any(hashed_by_address(part) for part in item)
    method = type(item).__hash__
    return method is object.__hash__ or getattr(method, "__module__", "") == "torch._tensor"


def stable_text(item: Any, depth: int = 0) -> str:  # noqa: ANN401 - any object
    """Describe an object by what it holds."""
    if isinstance(item, (*PLAIN, Enum)):
        return repr(item)
    if depth > DEEPEST:
        return type(item).__qualname__
    if isinstance(item, tuple | list):
        return f"({','.join(stable_text(part, depth + 1) for part in item)})"
    if isinstance(item, set | frozenset):
        return f"{{{','.join(sorted(stable_text(part, depth + 1) for part in item))}}}"
    if isinstance(item, dict):
        return f"{{{','.join(f'{key!r}:{stable_text(value, depth + 1)}' for key, value in item.items())}}}"
    return f"{type(item).__qualname__}{_inside(item, depth)}"


def _inside(item: Any, depth: int) -> str:  # noqa: ANN401 - any object
    if hasattr(item, "data_ptr") and hasattr(item, "detach"):
        return _tensor_text(item)
    name = getattr(item, "__qualname__", None)
    if isinstance(name, str):
        return f"<{name}>"
    return stable_text(getattr(item, "__dict__", None), depth + 1)


def _tensor_text(tensor: Any) -> str:  # noqa: ANN401 - a torch.Tensor; torch is not imported here
    text = f"{tuple(tensor.shape)}{tensor.dtype}"
    if tensor.device.type != "cpu" or tensor.nbytes > LARGEST or tensor.is_sparse:
        return text
    content = tensor.detach().reshape(-1).contiguous().view(-1)
    return f"{text}{xxh3_64_hexdigest(repr(content.tolist()).encode())}"
