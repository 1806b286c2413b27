"""Digest the values that are observed, and note each value that has no digest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from detaudit.digest.later import Digest
from detaudit.digest.tensor import UndigestableError, deferred_digest, deferred_digests
from detaudit.digest.value import call_value, deferred_value_digest


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
