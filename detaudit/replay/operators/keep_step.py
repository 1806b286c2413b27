"""Keep the arguments and results of every operator call of one step, so that another run can repeat each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from detaudit.digest.tensor import tensor_digest
from detaudit.model.plan import Exchange, Part
from detaudit.record.recorder import Recorder
from detaudit.replay.operators.arguments import Spans, as_text, encode, is_strided, storage_key, tensors_in
from detaudit.replay.operators.calls import OperatorCall, StepCalls, digests_of, generator_states
from detaudit.replay.operators.repeat_step import RepeatedCalls
from detaudit.replay.wire.files import KEPT
from detaudit.replay.wire.operators import KeptOperator

MOST_BYTES = 8 * 1024**3
"""Values beyond this size are not kept: of their calls, only digests can be compared."""


def exchange_values(recorder: Recorder, exchange: Exchange) -> None:
    """Have the values of operators kept, or kept values compared; note it if that is impossible."""
    kind = KeptCalls if exchange.part is Part.KEEPS else RepeatedCalls
    try:
        recorder.listeners.on_operator.append(kind(recorder, exchange))
    except (OSError, ValueError, KeyError) as error:
        recorder.problem(f"operators cannot be compared: {error}")


@dataclass(slots=True)
class _KeptValues:
    """Values and states that are kept before a call is made."""

    values: dict[str, Any] | None
    why: str
    """Why they are not kept, if they are not."""
    states: list[str]
    """Digests of the generators' states, if the call may draw from generators."""


class KeptCalls(StepCalls):
    """Keeps arguments and results of each call of one step."""

    def __init__(self, recorder: Recorder, exchange: Exchange) -> None:
        super().__init__(recorder, exchange, exchange.folder / KEPT)
        self._store = Store(exchange.folder)
        self._number = 0
        self._values = _KeptValues(None, "", [])

    def looks_at(self, call: OperatorCall) -> bool:
        """Keep the arguments of a call that is about to be made."""
        values, why = self._store.keep({"args": call.args, "kwargs": call.kwargs})
        states = digests_of(generator_states(call.args, call.kwargs)) if call.plan.draws else []
        self._values = _KeptValues(values, why, states)
        return True

    def failed(self, call: OperatorCall) -> None:
        """Do nothing: a call without results is left out."""

    def finish(self, call: OperatorCall, outputs: list[torch.Tensor]) -> None:
        """Keep the results of a call, and write the record of the call."""
        before = self._values
        if before.states and digests_of(generator_states(call.args, call.kwargs)) != before.states:
            # The numbers that it drew are not what it makes of its arguments.
            kept = KeptOperator(self._number, call.identity, call.site, drawn=True)
        else:
            given, why = self._store.keep({"outputs": outputs})
            kept = KeptOperator(
                self._number,
                call.identity,
                call.site,
                inputs=call.inputs,
                outputs=tuple(digests_of(outputs)),
                arguments=as_text(before.values),
                given=as_text(given),
                why=before.why or why,
            )
        self.lines.add(kept)
        self._number += 1


class Store:
    """Tensors on disk: each piece of memory is stored once, however many calls read or write these bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()
        self._bytes = 0

    def keep(self, values: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """Keep all tensors in arguments or results; return these as plain data, or None and the reason."""
        try:
            memory = _CallMemory(self, values)
            return {name: memory.encode(value) for name, value in values.items()}, ""
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            return None, str(error).partition("\n")[0]

    def put(self, digest: str, size: int, copied: Callable[[], torch.Tensor]) -> None:
        """Keep one tensor of that many bytes under its digest. Raises ValueError if there is no room."""
        if digest in self._known:
            return
        if self._bytes + size > MOST_BYTES:
            raise ValueError(f"the values of the step take more than {MOST_BYTES / 1024**3:.3g} GiB")
        path = self._folder / f"{digest}.pt"
        torch.save(copied(), path)
        self._known.add(digest)
        self._bytes += path.stat().st_size


class _CallMemory:
    """The tensors of one call as plain data, with their strides and with the memory that they share."""

    def __init__(self, store: Store, values: dict[str, Any]) -> None:
        self._store = store
        self._spans = Spans(tensors_in(values))
        self._digests: dict[int, str] = {}
        """Digest of each storage, by its key."""

    def encode(self, value: Any) -> Any:
        """Turn arguments or results into plain data."""
        if isinstance(value, dict):
            return {name: self.encode(item) for name, item in value.items()}
        if isinstance(value, torch.Generator):
            raise TypeError("a random generator is not kept")
        return encode(value, self._tensor)

    def _tensor(self, tensor: torch.Tensor) -> dict[str, Any]:
        if tensor.is_quantized:
            # Saving one gives a warning, which the program's output is not to have.
            raise TypeError("a quantized tensor is not kept")
        if not is_strided(tensor):
            digest = tensor_digest(tensor).hex()
            # torch does not say how much memory a sparse tensor takes.
            self._store.put(digest, 0, lambda: tensor.detach().cpu().clone())
            return {"whole": digest, "device": str(tensor.device)}
        key = storage_key(tensor)
        if key not in self._digests:
            row = self._spans.memory(tensor)
            self._digests[key] = tensor_digest(row).hex()
            self._store.put(self._digests[key], row.nbytes, lambda: row.cpu().clone())
        return {
            "memory": self._digests[key],
            "storage": list(self._digests).index(key),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "stride": list(tensor.stride()),
            "offset": self._spans.offset(tensor),
            "device": str(tensor.device),
            "flags": [tensor.is_conj(), tensor.is_neg()],
        }
