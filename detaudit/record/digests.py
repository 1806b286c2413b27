"""The digests of what is observed, with a note where a value has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from detaudit.digest.later import Digest
from detaudit.digest.tensor import UndigestableError, deferred_digest, deferred_digests
from detaudit.digest.value import call_value, deferred_value_digest

if TYPE_CHECKING:
    from detaudit.record.recorder import Recorder


class Digests:
    """Makes digests for a recorder: None where there is none, which is noted as a problem."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._sketching = recorder.session.sketches

    def values(self, values: Sequence[object]) -> list[Digest | None]:
        """Digest many values at once: tensors, as a rule."""
        tensors = [value for value in values if isinstance(value, torch.Tensor)]
        if self._sketching or not any(tensor.is_cuda for tensor in tensors):
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
        if self._sketching:
            self._recorder.sketch(made, value)
        return made

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Digest | None:
        """Digest the arguments of a call."""
        return self.value(call_value(args, kwargs or {}))

    def _note(self, error: UndigestableError) -> None:
        self._recorder.problem(f"not compared: {error}")
