"""Digest what is observed, arguments and results of operators too, and note each value that has no digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from xxhash import xxh3_128_digest

from detaudit.digest.algorithm import Digest, joined
from detaudit.digest.tensor import (
    UndigestableError,
    deferred_digest,
    deferred_digests,
    form_digest,
    tensor_digest,
)
from detaudit.digest.value import call_value, deferred_value_digest
from detaudit.record.schema import OperatorPlan
from detaudit.torch_private.tensors import is_fake

_NOTHING = bytes(16)

_TENSORS = frozenset({torch.Tensor, torch.nn.Parameter, torch.nn.Buffer})

_SCALARS = (
    bool,
    int,
    float,
    complex,
    str,
    type(None),
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)

_PLAIN_SCALARS = frozenset({bool, int, float, type(None)})
"""The most frequent types: with this set, their values are told from tensors without a look at the class."""

_WITHOUT_NEGATIVE_ZERO = frozenset({bool, int})

_MOST_KNOWN = 4096

_known: dict[tuple[type, object], bytes] = {}
"""Digests of the scalars seen so far: equal scalars come in every step."""


class Digests:
    """Makes digests: None where there is none, which is noted as a problem."""

    def __init__(
        self, problem: Callable[[str], object], sketch: Callable[[Digest, object], object] | None
    ) -> None:
        """Take what notes a problem, and what notes the sketch of a value if sketches are asked for."""
        self._problem, self._sketch = problem, sketch

    def values(self, values: Sequence[object]) -> list[Digest | None]:
        """Digest many values at once: tensors, as a rule."""
        tensors = [value for value in values if isinstance(value, torch.Tensor)]
        if self._sketch is not None or not any(tensor.is_cuda for tensor in tensors):
            return [self.value(value) for value in values]
        try:
            made = iter(deferred_digests(tensors))
        except UndigestableError:
            # One by one, so that it is known which.
            return [self.value(value) for value in values]
        return [next(made) if isinstance(value, torch.Tensor) else self.value(value) for value in values]

    def value(self, value: object) -> Digest | None:
        """Digest whatever a program passes around."""
        try:
            made = deferred_value_digest(value, deferred_digest)
        except UndigestableError as error:
            self._note(error)
            return None
        if self._sketch is not None:
            self._sketch(made, value)
        return made

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Digest | None:
        """Digest the arguments of a call."""
        return self.value(call_value(args, kwargs or {}))

    def _note(self, error: UndigestableError) -> None:
        self._problem(f"not compared: {error}")


def inputs_digest(plan: OperatorPlan, args: Any, kwargs: Any) -> Digest:
    """Digest what an operator is about to read. Raises UndigestableError."""
    parts: list[Digest] = []
    count = len(args)
    for position, name in plan.read:
        item = args[position] if position < count else kwargs.get(name)
        kind = type(item)
        if kind in _TENSORS:
            parts.append(deferred_digest(item))
        elif kind in _PLAIN_SCALARS:
            parts.append(_scalar(item))
        else:
            _add(item, parts)
    for position, name in plan.formed:
        _add_forms(args[position] if position < count else kwargs.get(name), parts)
    if plan.draws:
        generator = kwargs.get("generator") or torch.default_generator
        parts.append(tensor_digest(generator.get_state()))
    return joined(parts, xxh3_128_digest)


def outputs_digest(plan: OperatorPlan, args: Any, kwargs: Any, result: Any) -> Digest | None:
    """Digest what an operator gave and wrote; None if that has no values. Raises UndigestableError."""
    if plan.gives_one and type(result) in _TENSORS:
        made = deferred_digest(result)
        return xxh3_128_digest(made) if type(made) is bytes else joined([made], xxh3_128_digest)
    parts: list[Digest] = []
    if plan.results:
        if type(result) in _TENSORS:
            if 0 not in plan.left_out:
                parts.append(deferred_digest(result))
        else:
            results = result if isinstance(result, tuple | list) else (result,)
            for position, item in enumerate(results):
                if position not in plan.left_out:
                    _add(item, parts)
    for position, name in plan.written:
        _add(args[position] if position < len(args) else kwargs.get(name), parts)
    return joined(parts, xxh3_128_digest) if parts else None


def _add(item: Any, parts: list[Digest]) -> None:
    if isinstance(item, torch.Tensor):
        parts.append(_NOTHING if is_fake(item) else deferred_digest(item))
    elif isinstance(item, list | tuple):
        parts.append(_scalar(len(item)))
        for inner in item:
            _add(inner, parts)
    elif not isinstance(item, torch.Generator):
        parts.append(_scalar(item))


def _add_forms(item: Any, parts: list[Digest]) -> None:
    tensors = item if isinstance(item, list | tuple) else (item,)
    parts.append(_scalar(len(tensors)))
    parts.extend(form_digest(tensor) for tensor in tensors if isinstance(tensor, torch.Tensor))


def _scalar(value: Any) -> bytes:
    kind = type(value)
    try:
        return _known[kind, value]
    except (KeyError, TypeError):
        made = xxh3_128_digest((repr(value) if isinstance(value, _SCALARS) else kind.__name__).encode())
    # Zero and its negative are equal, but not the same.
    if isinstance(value, _SCALARS) and (value != 0 or kind in _WITHOUT_NEGATIVE_ZERO):
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[kind, value] = made
    return made
