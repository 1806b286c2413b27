"""Call every operator of one step on the arguments that another run kept, and compare the results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from detaudit.model.plan import Exchange
from detaudit.record.recorder import Recorder
from detaudit.replay.distance import apart
from detaudit.replay.operators.arguments import KeptArguments, tensors_in
from detaudit.replay.operators.calls import OperatorCall, StepCalls, digests_of, outputs_of_call
from detaudit.replay.wire.files import AGAIN, ANSWERS, KEPT, read_records
from detaudit.replay.wire.operators import CallAnswer, CallToRepeat, KeptOperator, OnlyHere

_ALONE = ("aten.", "prims.", "quantized.", "torch_nn.")
"""Prefixes of operators that only compute; other operators may have effects that last."""

_TIMES = 8
_SECONDS = 20.0
"""The most seconds, in all, for which calls are repeated to see if they give equal bits each time."""


class RepeatedCalls(StepCalls):
    """Compares each call of one step with the same call of the run whose values were kept."""

    def __init__(self, recorder: Recorder, exchange: Exchange) -> None:
        super().__init__(recorder, exchange, Path(recorder.session.folder) / ANSWERS)
        self._folder = exchange.folder
        self._kept = {one.identity: one for one in read_records(exchange.folder / KEPT, KeptOperator)}
        self._again = {one.number for one in read_records(exchange.folder / AGAIN, CallToRepeat)}
        self._seconds = _SECONDS

    def looks_at(self, call: OperatorCall) -> bool:
        """Call an operator alone on the kept arguments, unless the program is about to do just that."""
        kept = self._kept.get(call.identity)
        if kept is None or (not kept.drawn and kept.inputs == call.inputs):
            return True
        if not kept.drawn:
            self._compare(kept, call, lambda: self._repeat(kept, call))
        return False

    def finish(self, call: OperatorCall, outputs: list[torch.Tensor]) -> None:
        """Compare the results of the program's own call; note a call that the other run does not have."""
        kept = self._kept.get(call.identity)
        if kept is None:
            self.lines.add(OnlyHere(call.identity, call.site))
        else:
            self._compare(kept, call, lambda: outputs)

    def failed(self, call: OperatorCall) -> None:
        """Note a call on equal arguments that ended in an error."""
        kept = self._kept.get(call.identity)
        if kept is not None:
            why = "the program's own call gave nothing that could be compared"
            self.lines.add(CallAnswer(kept.number, why=why))

    def _compare(
        self, kept: KeptOperator, call: OperatorCall, make: Callable[[], list[torch.Tensor]]
    ) -> None:
        """Write down whether a call gives other bits, how far apart, and if it differs from call to call."""
        try:
            outputs = make()
            equal = tuple(digests_of(outputs)) == kept.outputs
            answer = CallAnswer(kept.number) if equal else self._difference(kept, outputs)
            if answer.changed or kept.number in self._again:
                answer = replace(answer, unsteady=self._is_unsteady(kept, call))
        except Exception as error:  # noqa: BLE001 - any operator may fail in any way
            answer = CallAnswer(kept.number, why=_reason(error))
        self.lines.add(answer)

    def _difference(self, kept: KeptOperator, outputs: list[torch.Tensor]) -> CallAnswer:
        if kept.given is None:
            return CallAnswer(kept.number, changed=True, why=f"how far is not known: {kept.why}")
        expected = KeptArguments(self._folder).decode(json.loads(kept.given)["outputs"])
        shapes = [[tuple(one.shape) for one in side] for side in (expected, outputs)]
        if shapes[0] != shapes[1]:
            why = f"results of other shapes: {shapes[0]} and {shapes[1]}"
            return CallAnswer(kept.number, changed=True, why=why)
        found = list(map(apart, expected, outputs))
        # Of sparse results, other bits may be other zeros, or the same elements in another order.
        if not any(one.elements for one in found):
            return CallAnswer(kept.number)
        return CallAnswer(kept.number, changed=True, apart=max(found, key=lambda one: one.ulp))

    def _repeat(self, kept: KeptOperator, call: OperatorCall) -> list[torch.Tensor]:
        """Call the operator alone, on copies of the arguments that the other run kept."""
        obstacle = _obstacle(kept, call)
        if obstacle:
            raise _NotRepeatedError(obstacle)
        arguments, values = KeptArguments(self._folder), json.loads(kept.arguments or "{}")
        args = arguments.like(values["args"], call.args)
        own = {name: call.kwargs.get(name) for name in values["kwargs"]}
        kwargs = arguments.like(values["kwargs"], own)
        devices = sorted({one.get_device() for one in tensors_in([args, kwargs]) if one.is_cuda})
        with torch.random.fork_rng(devices, enabled=call.plan.draws):
            return outputs_of_call(call, args, kwargs, call.operator(*args, **kwargs))

    def _is_unsteady(self, kept: KeptOperator, call: OperatorCall) -> bool:
        """Say whether repeated calls with equal arguments give more than one result."""
        seen = set()
        for _ in range(0 if _obstacle(kept, call) else _TIMES):
            if self._seconds > 0:
                start = time.monotonic()
                seen.add(tuple(digests_of(self._repeat(kept, call))))
                self._seconds -= time.monotonic() - start
        return len(seen) > 1


def _obstacle(kept: KeptOperator, call: OperatorCall) -> str:
    """Explain why a call cannot be made again alone; an empty text if it can."""
    if not call.plan.name.startswith(_ALONE):
        return "not torch's own, so that calling it again might have effects"
    return "" if kept.arguments is not None else kept.why


class _NotRepeatedError(Exception):
    """A call cannot be made again alone."""


def _reason(error: Exception) -> str:
    text = str(error).partition("\n")[0]
    if isinstance(error, _NotRepeatedError):
        return text
    if isinstance(error, NotImplementedError):
        return f"there is no implementation: {text}"
    return f"it failed: {type(error).__name__}: {text}"
