"""Run the pieces of one step again, alone: each module call, and the optimizer's step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from detaudit.digest.apart import apart
from detaudit.record.common_draws import Draws
from detaudit.record.layer_calls import LayerCall
from detaudit.record.layer_files import Replayed
from detaudit.record.optimizer_steps import OptimizerStep, step_again
from detaudit.record.proportion import FACTOR
from detaudit.record.references import (
    Compute,
    Reference,
    drawing,
    redrawing,
    references,
    unit_of,
    unit_of_call,
)
from detaudit.record.replays import FORWARD, OUTPUT, Given, given_by, numbered, replay


def computing_call(module: torch.nn.Module, given: Given) -> Compute[Any]:
    """How a module call is computed."""
    return lambda arithmetic: replay(module, given, arithmetic)


def replay_own(call: LayerCall) -> Replayed:
    """Make a call of this run again; says so where it does not give what it gave in the run."""
    compute = computing_call(call.module, given_by(call))
    in_run = {
        (FORWARD, numbered(OUTPUT, at)): one
        for at, one in enumerate(call.outputs)
        if isinstance(one, torch.Tensor)
    }
    return _first_replay(compute, unit_of_call(call), in_run)


def replay_step(step: OptimizerStep) -> Replayed:
    """Make the optimizer's step of this run again."""
    if step.why:
        return Replayed({}, {}, Draws(), 0.0, step.why)
    return _first_replay(lambda arithmetic: step_again(step, arithmetic), unit_of(step.weights), step.left)


def _first_replay(compute: Compute[Any], unit: float, in_run: Mapping[Any, torch.Tensor]) -> Replayed:
    try:
        values, draws = drawing(lambda: compute(None))
    except Exception as error:  # noqa: BLE001 - code of the program that is called alone may fail in any way
        return Replayed({}, {}, Draws(), unit, f"it cannot be run alone: {_said(error)}")
    found, without = with_references(compute, draws, unit)
    why = (
        ""
        if _is_faithful(values, found, in_run, unit)
        else "run alone, it gives other numbers than in the run"
    )
    return Replayed(values, found, draws, unit, why, without)


def with_references(compute: Compute[Any], draws: Draws, unit: float) -> tuple[dict[Any, Reference], str]:
    """The references of a piece of the program, and why there are none if there are none."""
    try:
        return references(compute, draws, unit), ""
    except Exception as error:  # noqa: BLE001 - as above: not every program can be run in float64
        return {}, f"it cannot be run in float64: {_said(error)}"


def replay_other(compute: Compute[Any], draws: Draws) -> tuple[dict[Any, torch.Tensor], str]:
    """Compute what the other run kept, in this run; and why it could not be, if so."""
    try:
        return redrawing(draws, lambda: compute(None)), ""
    except Exception as error:  # noqa: BLE001 - as above
        return {}, f"it cannot be run alone: {_said(error)}"


def _is_faithful(
    values: Mapping[Any, torch.Tensor],
    found: Mapping[Any, Reference],
    in_run: Mapping[Any, torch.Tensor],
    unit: float,
) -> bool:
    return all(_agrees(values.get(key), found.get(key), one, unit) for key, one in in_run.items())


def _agrees(
    value: torch.Tensor | None, reference: Reference | None, in_run: torch.Tensor, unit: float
) -> bool:
    """Whether a value is that of the run: the same, or off by no more than rounding explains."""
    if value is None or value.shape != in_run.shape:
        return False
    if not apart(value, in_run).elements:
        return True
    error = None if reference is None else reference.error_of(in_run, unit)
    again = None if reference is None else reference.error_of(value, unit)
    return error is not None and again is not None and error.error <= FACTOR * max(error.allowed, again.error)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
