"""Keep the optimizer's part of one step: the values before and after; and make the step again, alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from detaudit.record.names import Names, TensorName
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.replay.arithmetic.float64 import Float64, widened
from detaudit.replay.calls.keep import LayerCalls
from detaudit.replay.calls.replay import computing, entering
from detaudit.torch_private.optimizers import call_first_after_steps, remove_own_hooks

StatePlace = tuple[str, str | None, str]
"""Root, module and name of a parameter."""
StepKey = tuple[StatePlace, str]
"""A parameter, and an entry of its optimizer state; an empty entry stands for the parameter itself."""
CHANGE = "change"
"""Name of the entry for the distance by which the step moves the parameter."""


@dataclass(slots=True)
class OptimizerStep:
    """One step of an optimizer, with copies of all that the step reads and leaves."""

    optimizer: Optimizer
    places: list[StatePlace]
    weights: list[torch.Tensor]
    gradients: list[torch.Tensor | None]
    states: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    """The options of each group; parameters are replaced by their positions."""
    why: str = ""
    """Why the step cannot be made again; empty if it can."""
    left: dict[StepKey, torch.Tensor] = field(default_factory=dict)


class OptimizerSteps:
    """Keeps the optimizer's part of the step whose values are kept."""

    def __init__(self, recorder: Recorder, names: Names, calls: LayerCalls) -> None:
        self._recorder, self._names, self._calls = recorder, names, calls
        self.step: OptimizerStep | None = None
        before, after = observing(recorder, self._before), observing(recorder, self._after)

        def stepping(optimizer: Optimizer, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            # The optimizer itself is the first argument; a closure is code of the program.
            before(optimizer, alone=len(args) == 1 and not kwargs)

        def stepped(optimizer: Optimizer, _args: object, _kwargs: object) -> None:
            after(optimizer)

        recorder.scope.on_end(register_optimizer_step_pre_hook(stepping).remove)
        handle = register_optimizer_step_post_hook(stepped)
        recorder.scope.on_end(handle.remove)
        # Ahead of the one that ends the step, and the program with it.
        call_first_after_steps(handle)

    def _before(self, optimizer: Optimizer, *, alone: bool) -> None:
        if not self._calls.watches() or self.step is not None:
            return
        self._calls.keep_parameter_gradients()
        copies = self._calls.copies
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        named = [self._names.tensor(one) for one in parameters]
        places = [_place(name, at) for at, name in enumerate(named)]
        try:
            self.step = OptimizerStep(
                optimizer,
                places,
                [copies.of(one) for one in parameters],
                [None if one.grad is None else copies.of(one.grad) for one in parameters],
                [_copied(optimizer.state.get(one)) for one in parameters],
                _groups(optimizer),
                "" if alone else "it calls a closure of the program",
            )
        except Exception as error:  # noqa: BLE001 - what cannot be kept is said, the rest goes on
            why = f"its values could not be kept: {type(error).__name__}: {error}"
            self.step = OptimizerStep(optimizer, places, [], [], [], [], why)

    def _after(self, optimizer: Optimizer) -> None:
        step = self.step
        if step is None or step.optimizer is not optimizer or step.left or not self._calls.watches():
            return
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        step.left = _left(step.places, step.weights, parameters, optimizer.state)


def step_again(step: OptimizerStep, arithmetic: Float64 | None = None) -> dict[StepKey, torch.Tensor]:
    """Make the step again on copies, in its own arithmetic or another; the optimizer itself stays as it is.

    Errors that its code raises are passed on.
    """
    parameters = [entering(one, arithmetic).requires_grad_() for one in step.weights]
    before = [one.detach().clone() for one in parameters]
    for parameter, gradient in zip(parameters, step.gradients, strict=True):
        parameter.grad = entering(gradient, arithmetic)
    alone: Optimizer = object.__new__(type(step.optimizer))
    alone.__dict__.update(vars(step.optimizer))
    # A scheduler puts a wrapper of its own in the place of the method.
    alone.__dict__.pop("step", None)
    alone.param_groups = [
        {
            name: [parameters[at] for at in value] if name == "params" else entering(value, arithmetic)
            for name, value in group.items()
        }
        for group in step.groups
    ]
    alone.state = defaultdict(dict)
    for parameter, state in zip(parameters, step.states, strict=True):
        if state:
            alone.state[parameter] = {name: entering(value, arithmetic) for name, value in state.items()}
    remove_own_hooks(alone)
    with torch.inference_mode(mode=False), torch.enable_grad(), computing(arithmetic):
        type(alone).step(alone)
    return _left(step.places, before, parameters, alone.state)


def _place(name: TensorName | None, position: int) -> StatePlace:
    return ("", None, f"tensor#{position}") if name is None else (name.root, name.module, name.name)


def _groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    groups, first = [], 0
    for group in optimizer.param_groups:
        count = len(group["params"])
        groups.append({**group, "params": list(range(first, first + count))})
        first += count
    return groups


def _copied(state: object) -> dict[str, Any]:
    if not isinstance(state, Mapping):
        return {}
    return {
        name: value.detach().clone() if isinstance(value, torch.Tensor) else value
        for name, value in state.items()
    }


def _left(
    places: list[StatePlace],
    before: list[torch.Tensor],
    parameters: list[torch.Tensor],
    states: Mapping[torch.Tensor, Any],
) -> dict[StepKey, torch.Tensor]:
    left: dict[StepKey, torch.Tensor] = {}
    # A step is small beside the weight: what is wrong with it would not show there. Of a step that could not
    # be kept, nothing from before is known.
    for place, old, parameter in zip(places, before, parameters, strict=False):
        left[place, CHANGE] = widened(parameter.detach()) - widened(old)
    for place, parameter in zip(places, parameters, strict=True):
        left[place, ""] = parameter.detach().clone()
        state = states.get(parameter)
        for name, value in (state if isinstance(state, Mapping) else {}).items():
            if isinstance(value, torch.Tensor):
                left[place, str(name)] = value.detach().clone()
    return left
