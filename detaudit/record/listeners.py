"""Listeners of what the recorder sees, beside the trace; `run/listeners.py` chooses them once for a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from detaudit.digest.algorithm import Digest
from detaudit.model.trace import Phase
from detaudit.record.schema import OperatorPlan
from detaudit.record.stream import ModuleOwner, StreamState
from detaudit.torch_private.modes import DispatchMode

Seen: TypeAlias = tuple[StreamState, ModuleOwner, Phase, Digest]
"""Facts about a call before it is made: thread, module and line, phase, digest of the inputs."""


class OperatorListener(Protocol):
    """Is told of each operator call that is recorded. Nothing that goes wrong in it reaches the program."""

    def before(self, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any, seen: Seen) -> None:
        """Look at a call that is about to be made."""

    def after(self, plan: OperatorPlan, result: object) -> None:
        """Look at the results of the call. For a call that ended in an error, this method is not called."""


@dataclass(slots=True)
class Listeners:
    """All listeners of one process."""

    on_step_end: list[Callable[[StreamState], object]] = field(default_factory=list)
    """Called in the thread whose step ends, before the step is written down."""
    on_close: list[Callable[[], object]] = field(default_factory=list)
    """Called before the trace is closed, each time that the trace is asked to close."""
    on_operator: list[OperatorListener] = field(default_factory=list)
    """Told of operators in the steps of the window, at the level that records them."""
    modes: list[DispatchMode] = field(default_factory=list)
    """Modes under which every thread runs; they see what the recorder's own mode passes on."""

    def to_operators(self) -> OperatorListener | None:
        """Return whom to tell of an operator: None, the only listener, or all listeners in turn."""
        if len(self.on_operator) > 1:
            return _InTurn(self.on_operator)
        return self.on_operator[0] if self.on_operator else None


class _InTurn:
    """Passes calls on to several listeners."""

    def __init__(self, listeners: Sequence[OperatorListener]) -> None:
        self._listeners = tuple(listeners)

    def before(self, plan: OperatorPlan, operator: Any, args: Any, kwargs: Any, seen: Seen) -> None:
        for listener in self._listeners:
            listener.before(plan, operator, args, kwargs, seen)

    def after(self, plan: OperatorPlan, result: object) -> None:
        for listener in self._listeners:
            listener.after(plan, result)
