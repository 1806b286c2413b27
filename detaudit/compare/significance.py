"""Say which kinds of events decide whether two runs agree.

The verdict is about numbers that reach the training or that a module hands out. Strings in a batch are not
numbers yet, and an operator's result that reaches no batch, module output, loss, gradient, buffer or weight
(a draw for a log line, say) is no part of what "the same" means.
"""

from __future__ import annotations

from detaudit.model.trace import Kind, Phase

CORE = frozenset(
    {
        Kind.WEIGHT,
        Kind.BUFFER,
        Kind.LOSS,
        Kind.GRAD,
        Kind.GRAD_ACCUMULATED,
        Kind.GRAD_USED,
        Kind.OPTIMIZER_STATE,
    }
)
"""The training itself: any difference here, of value or of structure, is a fault."""

SHIFTING = frozenset({Phase.DATA, Phase.EVAL})
"""Phases that may hold one more pass in one run, after which equal keys no longer mean the same thing."""


def is_numeric(kind: Kind) -> bool:
    """Say whether the kind's digests are of numbers; strings are never a fault by themselves."""
    return kind is not Kind.BATCH_TEXT


def decides(kind: Kind) -> bool:
    """Say whether a difference in the outputs is a fault even where the training agrees.

    A difference in the inputs is no fault by itself: a batch or an argument that changes no output (the time
    at which a sample was read, say) reaches no number.
    """
    return kind in CORE or kind in {Kind.MODULE, Kind.GRAD_OUTPUT}
