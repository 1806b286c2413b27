"""Collect what `--vary` sets before a run starts: environment variables and arguments."""

from __future__ import annotations

from dataclasses import replace

from detaudit.axes.catalogue import axis_of
from detaudit.model.plan import RunPlan, TargetKind


def variables(plan: RunPlan) -> dict[str, str]:
    """Collect the environment variables that the values on a run's axes set."""
    is_driven = plan.target.kind is TargetKind.MODEL_FILE
    found: dict[str, str] = {}
    for setting in plan.axes:
        axis = axis_of(setting)
        on_model = is_driven and axis.model is not None
        if axis.environment is not None and not on_model:
            found |= axis.environment(setting.value)
    return found


def with_arguments(plan: RunPlan) -> RunPlan:
    """Add the arguments that axes set behind those of the target."""
    added: list[str] = []
    for setting in plan.axes:
        axis = axis_of(setting)
        if axis.arguments is not None:
            added += axis.arguments(setting.value)
    return replace(plan, target=replace(plan.target, args=(*plan.target.args, *added)))
