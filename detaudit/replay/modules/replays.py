"""Run the pieces of one step again, alone: each module call, and the optimizer's step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from detaudit.replay.arithmetic.float64 import Rounding
from detaudit.replay.calls.compiled_parts import CompiledError
from detaudit.replay.calls.module_call import ModuleCall
from detaudit.replay.calls.replay import Given, given_by, replay
from detaudit.replay.distance import apart
from detaudit.replay.draws.common import BlockDraws
from detaudit.replay.modules.files import Replayed
from detaudit.replay.modules.in_runs import outputs_in_run
from detaudit.replay.modules.references import (
    Compute,
    RandomNumbersError,
    Reference,
    drawing,
    redrawing,
    references,
    rounding_of,
    rounding_of_call,
)
from detaudit.replay.optimizer import OptimizerStep, step_again

NOT_REPLAYED = Replayed({}, {}, BlockDraws(), Rounding(0.0, 0.0), "it was not asked for")
"""The replay of a run of which only the recorded values are wanted."""

UNFAITHFUL = "run alone, it gives other numbers than in the run"

_UNSTEADY = 64.0
"""The most units in the last place by which two results of one of torch's own kernels may differ."""


def computing_call(module: torch.nn.Module, given: Given) -> Compute[Any]:
    """Return a function that computes a module call in a given arithmetic."""
    return lambda arithmetic: replay(module, given, arithmetic)


def replay_own(call: ModuleCall) -> Replayed:
    """Make a call of this run again; say so if it does not reproduce its outputs."""
    compute = computing_call(call.module, given_by(call))
    return _first_replay(compute, rounding_of_call(call), outputs_in_run(call))


def why_unfaithful(call: ModuleCall) -> str:
    """Explain why replaying this call does not reproduce its outputs; an empty text if it does."""
    try:
        values, _ = drawing(lambda: replay(call.module, given_by(call)))
    except Exception as error:  # noqa: BLE001 - code of the program that is called alone may fail in any way
        return f"it cannot be run alone: {_said(error)}"
    return "" if _is_faithful(values, outputs_in_run(call), rounding_of_call(call)) else UNFAITHFUL


def replay_step(step: OptimizerStep) -> Replayed:
    """Make the optimizer's step of this run again."""
    if step.why:
        return Replayed({}, {}, BlockDraws(), Rounding(0.0, 0.0), step.why)
    return _first_replay(
        lambda arithmetic: step_again(step, arithmetic), rounding_of(step.weights), step.left
    )


def _first_replay(compute: Compute[Any], rounding: Rounding, in_run: Mapping[Any, torch.Tensor]) -> Replayed:
    try:
        values, draws = drawing(lambda: compute(None))
    except Exception as error:  # noqa: BLE001 - code of the program that is called alone may fail in any way
        return Replayed({}, {}, BlockDraws(), rounding, f"it cannot be run alone: {_said(error)}")
    found, without = with_references(compute, draws, rounding)
    faithful = _is_faithful(values, in_run, rounding)
    why = "" if faithful else UNFAITHFUL
    return Replayed(values, found, draws, rounding, why, without)


def with_references(
    compute: Compute[Any], draws: BlockDraws, rounding: Rounding
) -> tuple[dict[Any, Reference], str]:
    """Compute the references of a piece of the program; return a reason too if there are none."""
    try:
        return references(compute, draws, rounding), ""
    except Exception as error:  # noqa: BLE001 - as above: not every program can be run in float64
        return {}, f"it cannot be run in float64: {_said(error)}"


def replay_other(compute: Compute[Any], draws: BlockDraws) -> tuple[dict[Any, torch.Tensor], str]:
    """Compute in this run what the other run kept; return a reason too if that fails."""
    try:
        return redrawing(draws, lambda: compute(None)), ""
    except Exception as error:  # noqa: BLE001 - as above
        return {}, f"it cannot be run alone: {_said(error)}"


def _is_faithful(
    values: Mapping[Any, torch.Tensor], in_run: Mapping[Any, torch.Tensor], rounding: Rounding
) -> bool:
    return all(_agrees(values.get(key), one, rounding.unit) for key, one in in_run.items())


def _agrees(value: torch.Tensor | None, in_run: torch.Tensor, unit: float) -> bool:
    """Say whether a value is that of the run: equal, or nearly so where torch's kernels do not repeat."""
    if value is None or value.shape != in_run.shape:
        return False
    distance = apart(value, in_run)
    return not distance.elements or distance.relative <= _UNSTEADY * unit


def _said(error: Exception) -> str:
    """Describe an error in one line."""
    lines = str(error).strip().splitlines() or [""]
    ours = isinstance(error, CompiledError | RandomNumbersError)
    return lines[0] if ours else f"{type(error).__name__}: {lines[0]}"
