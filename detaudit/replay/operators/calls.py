"""Watch the operator calls of one step: choose those that are compared, identify them, see their results."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from detaudit.digest.algorithm import now
from detaudit.digest.tensor import tensor_digest
from detaudit.model.plan import Exchange
from detaudit.model.trace import StreamRole
from detaudit.record.listeners import Seen
from detaudit.record.recorder import Recorder
from detaudit.record.schema import OperatorPlan
from detaudit.record.stream import StreamState
from detaudit.replay.operators.arguments import outputs_of, tensors_in
from detaudit.replay.wire.files import RecordFile
from detaudit.replay.wire.operators import OperatorIdentity
from detaudit.torch_private.modes import Unseen
from detaudit.torch_private.tensors import is_fake

_COLLECTIVES = ("c10d.", "_c10d_functional.", "_c10d_functional_autograd.")
"""Prefixes of operators that exchange values between processes."""

_ALL = range(sys.maxsize)
"""All positions of results: they are left out for an operator whose results have no values."""


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """A call that is about to be made, or was made."""

    identity: OperatorIdentity
    site: str
    """Key of its line, in hexadecimal."""
    inputs: str
    """Digest of the values that it reads, in hexadecimal."""
    plan: OperatorPlan
    operator: Any
    args: Any
    kwargs: Any


class StepCalls(ABC):
    """Watches the operators of one step; subclasses define what happens with each call.

    No error in here reaches the program: errors are written down instead.
    """

    def __init__(self, recorder: Recorder, exchange: Exchange, file: Path) -> None:
        self._recorder = recorder
        self._step = exchange.step
        self._counts: Counter[tuple[str, str, str | None, str]] = Counter()
        self._seen: OperatorCall | None = None
        """The call that is under way, if its results are wanted."""
        self.lines = RecordFile(file)

    @abstractmethod
    def looks_at(self, call: OperatorCall) -> bool:
        """Handle a call before it is made; return whether its results are wanted."""

    @abstractmethod
    def finish(self, call: OperatorCall, outputs: list[torch.Tensor]) -> None:
        """Handle the results of a call."""

    @abstractmethod
    def failed(self, call: OperatorCall) -> None:
        """Handle a call that gave no results."""

    def before(self, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any, seen: Seen) -> None:
        """Look at a call that is about to be made."""
        try:
            if self._seen is not None:
                self.failed(self._seen)
                self._seen = None
            stream, (root, module, site), phase, inputs = seen
            if self._judges(plan, stream, args, kwargs):
                place = (phase.value, root, module, plan.name)
                identity = OperatorIdentity(*place, self._counts[place])
                self._counts[place] += 1
                call = OperatorCall(identity, site.hex(), now(inputs).hex(), plan, operator, args, kwargs)
                with Unseen():
                    self._seen = call if self.looks_at(call) else None
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self.trouble(plan, error)

    def after(self, _plan: OperatorPlan, result: object) -> None:
        """Look at the results of the call."""
        call, self._seen = self._seen, None
        if call is None:
            return
        try:
            with Unseen():
                outputs = outputs_of_call(call, call.args, call.kwargs, result)
                if not any(map(is_unreal, outputs)):
                    self.finish(call, outputs)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            self.trouble(call.plan, error)

    def trouble(self, plan: OperatorPlan, error: Exception) -> None:
        """Note that a call could not be looked at."""
        text = f"{plan.name} could not be compared: {type(error).__name__}: {error}".partition("\n")[0]
        try:
            self.lines.note(text)
        except OSError:
            # The disk is full, most likely: what cannot be compared must be said all the same.
            self._recorder.problem(text)

    def _judges(self, plan: OperatorPlan, stream: StreamState, args: Any, kwargs: Any) -> bool:
        if stream.step != self._step or not (plan.results or plan.written):
            return False
        if any(map(is_unreal, tensors_in([args, kwargs]))):
            return False
        if self._recorder.process.role is not StreamRole.MAIN:
            self.lines.note("operators in processes that the program starts are not compared")
        elif stream.is_side:
            self.lines.note("operators in threads that the program starts are not compared")
        elif plan.name.startswith(_COLLECTIVES):
            self.lines.note(f"{plan.name} takes in values of other processes: it is not compared")
        else:
            return True
        return False


def is_unreal(tensor: torch.Tensor) -> bool:
    """Say whether a tensor has no values: while a program is compiled or exported, or on the meta device."""
    return is_fake(tensor) or tensor.is_meta


def outputs_of_call(call: OperatorCall, args: Any, kwargs: Any, result: Any) -> list[torch.Tensor]:
    """Return every tensor that a call with these arguments gave or wrote to."""
    return outputs_of(call.operator, args, kwargs, result, call.plan.left_out if call.plan.results else _ALL)


def digests_of(tensors: list[torch.Tensor]) -> list[str]:
    """Return the digest of each tensor, in hexadecimal."""
    return [tensor_digest(tensor).hex() for tensor in tensors]


def generator_states(args: Any, kwargs: Any) -> list[torch.Tensor]:
    """Return the states of all generators that a call may draw from."""
    given = [one for one in (*args, *kwargs.values()) if isinstance(one, torch.Generator)]
    devices = sorted({str(tensor.device) for tensor in tensors_in([args, kwargs]) if tensor.is_cuda})
    states = [torch.get_rng_state(), *(one.get_state() for one in given)]
    return [*states, *map(torch.cuda.get_rng_state, devices)]
