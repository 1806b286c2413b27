"""Digest of what programs pass around: tensors, arrays, numbers, text, and containers of them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from xxhash import xxh3_128_digest

from detaudit.digest.algorithm import Digest, combine, digest_bytes, header_seed, joined, now
from detaudit.digest.tensor import tensor_digest

_MAX_DEPTH = 8
"""Containers nested deeper than this are digested by type only; guards against cycles too."""

_PLAIN = (bool, int, float, complex, type(None))


TensorDigest: TypeAlias = Callable[[torch.Tensor], Digest]
"""Digests a tensor in a value: at once, or on the tensor's device, with the digest fetched later."""


def value_digest(value: object) -> bytes:
    """Return the 16-byte digest of a value, numbers and text alike.

    Objects of unknown classes enter by their class and by the tensors and arrays in their attributes.
    Raises UndigestableError for a tensor whose values cannot be reached.
    """
    return now(deferred_value_digest(value, tensor_digest))


def deferred_value_digest(value: object, digest: TensorDigest) -> Digest:
    """Make the same digest as `value_digest`, with `digest` for each tensor in the value."""
    if isinstance(value, torch.Tensor):
        return digest(value)
    walk = _ValueWalk(digest)
    walk.visit(value, 0)
    numbers = _deferred("numbers", walk.numbers)
    return _deferred("value", [numbers, combine("text", walk.text)]) if walk.text else numbers


def call_value(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
    """Return the arguments of a call as one value; a lone tensor, the usual case, stands for itself."""
    if len(args) == 1 and not kwargs and isinstance(args[0], torch.Tensor):
        return args[0]
    return args, dict(kwargs)


def split_digest(value: object) -> tuple[bytes, bytes | None]:
    """Digest the numbers in a value and, apart from them, its text (None if it has no text).

    In a batch, text (an identifier, a file name) is not a number yet: it may differ harmlessly.
    """
    walk = _ValueWalk(tensor_digest)
    walk.visit(value, 0)
    text = combine("text", walk.text) if walk.text else None
    return now(_deferred("numbers", walk.numbers)), text


def _deferred(tag: str, digests: list[Digest]) -> Digest:
    return joined(digests, partial(xxh3_128_digest, seed=header_seed(tag, ())))


class _ValueWalk:
    """Goes through a value once and collects digests of its leaves, in a fixed order."""

    def __init__(self, digest: TensorDigest) -> None:
        self._digest = digest
        self.numbers: list[Digest] = []
        self.text: list[bytes] = []

    def visit(self, value: object, depth: int) -> None:
        """Add the digests of `value` and of all that it holds."""
        if isinstance(value, torch.Tensor):
            self.numbers.append(self._digest(value))
        elif isinstance(value, str | bytes):
            self.text.append(
                _tagged(type(value).__name__, value if isinstance(value, bytes) else _utf8(value))
            )
        elif isinstance(value, _PLAIN):
            self.numbers.append(_tagged(type(value).__name__, _utf8(repr(value))))
        elif depth >= _MAX_DEPTH:
            self._mark(value, 0)
        elif isinstance(value, Mapping):
            self._mapping(value, depth)
        elif isinstance(value, list | tuple):
            self._mark(value, len(value))
            for item in value:
                self.visit(item, depth + 1)
        elif isinstance(value, set | frozenset):
            self.numbers.append(combine("set", sorted(value_digest(item) for item in value)))
        else:
            self._other(value, depth)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> None:
        self._mark(value, len(value))
        for key in sorted(value, key=str):
            self.visit(key, depth + 1)
            self.visit(value[key], depth + 1)

    def _other(self, value: object, depth: int) -> None:
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
            self._array(numpy.asarray(value), depth)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
            self._mapping(fields, depth)
        else:
            self._object(value, depth)

    def _array(self, array: Any, depth: int) -> None:  # noqa: ANN401 - numpy may not be imported
        if array.dtype.hasobject:
            self._mark(array, array.size)
            for item in array.ravel().tolist():
                self.visit(item, depth + 1)
            return
        seed = header_seed(f"numpy {array.dtype.str}", array.shape)
        self.numbers.append(digest_bytes(array.tobytes(), seed))

    def _object(self, value: object, depth: int) -> None:
        # Plain numbers in an object's attributes may be times or addresses: only its tensors count.
        self._mark(value, 0)
        attributes = getattr(value, "__dict__", None)
        if not isinstance(attributes, dict) or isinstance(value, type | torch.nn.Module) or callable(value):
            return
        for name, item in list(attributes.items()):
            if isinstance(item, torch.Tensor | list | tuple | dict) or hasattr(item, "__array_interface__"):
                self.numbers.extend(self._tensors_of(item, depth + 1))
                self.numbers.append(_tagged("attribute", _utf8(str(name))))

    def _tensors_of(self, value: object, depth: int) -> list[Digest]:
        if depth >= _MAX_DEPTH:
            return []
        if isinstance(value, torch.Tensor):
            return [self._digest(value)]
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list | tuple):
            return [digest for item in value for digest in self._tensors_of(item, depth + 1)]
        if hasattr(value, "__array_interface__"):
            return [value_digest(value)]
        attributes = getattr(value, "__dict__", None)
        if (
            isinstance(attributes, dict)
            and not callable(value)
            and not isinstance(value, type | torch.nn.Module)
        ):
            return self._tensors_of(attributes, depth + 1)
        return []

    def _mark(self, value: object, length: int) -> None:
        self.numbers.append(_tagged(type(value).__name__, str(length).encode()))


def _tagged(tag: str, data: bytes) -> bytes:
    return xxh3_128_digest(data, header_seed(tag, ()))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
