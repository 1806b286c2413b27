"""Values of one module call as recorded in the two full runs and in the float64 reference run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from detaudit.replay.calls.module_call import ModuleCall
from detaudit.replay.calls.replay import (
    BACKWARD,
    FORWARD,
    GRADIENT_OF,
    INPUT,
    OF_INPUT,
    OF_OUTPUT,
    OUTPUT,
    ValueKey,
    numbered,
)
from detaudit.replay.distance import apart
from detaudit.replay.modules.files import KeptCall, LayerFolder
from detaudit.replay.optimizer import StepKey
from detaudit.replay.wire.layers import Identity

Tensors = Mapping[Any, torch.Tensor]
"""Values by their keys."""


@dataclass(frozen=True, slots=True)
class InRuns:
    """The values of one piece of the program: a module call, or the optimizer's step."""

    first: Tensors
    second: Tensors
    float64: Tensors = field(default_factory=dict)
    """Values of a run in float64 on the CPU that begins with the same numbers; empty if there is none."""

    @property
    def keys(self) -> tuple[Any, ...]:
        """The keys that at least one of the two runs has."""
        return tuple(dict.fromkeys((*self.first, *self.second)))

    def off(self, side: Tensors, key: Any) -> float | None:
        """Return the relative distance of a run's value from the float64 one; None if either is missing."""
        value, exact = side.get(key), self.float64.get(key)
        if value is None or exact is None or value.shape != exact.shape:
            return None
        return apart(value, exact).relative


def values_in_run(call: KeptCall | ModuleCall) -> dict[ValueKey, torch.Tensor]:
    """Return the outputs of a module call in its run, and the gradients of its inputs and parameters."""
    of_inputs = {(BACKWARD, numbered(OF_INPUT, at)): one for at, one in call.of_inputs.items()}
    of_parameters = {(BACKWARD, GRADIENT_OF + name): one for name, one in call.of_parameters.items()}
    return outputs_in_run(call) | of_inputs | of_parameters


def outputs_in_run(call: KeptCall | ModuleCall) -> dict[ValueKey, torch.Tensor]:
    """Return the outputs of a module call in its run."""
    return {
        (FORWARD, numbered(OUTPUT, at)): one
        for at, one in enumerate(call.outputs)
        if isinstance(one, torch.Tensor)
    }


def around_call(call: KeptCall | ModuleCall) -> dict[ValueKey, torch.Tensor]:
    """Return the values that a module call got from outside: its arguments, and the arriving gradients."""
    arguments = {
        (FORWARD, numbered(INPUT, at)): one
        for at, one in enumerate(call.leaves)
        if isinstance(one, torch.Tensor)
    }
    return arguments | {(BACKWARD, numbered(OF_OUTPUT, at)): one for at, one in call.gradients.items()}


def left_by_step(plain: Mapping[str, Any]) -> dict[StepKey, torch.Tensor]:
    """Return the values that an optimizer's step left in the run that kept the step."""
    return {step_key(key): value for key, value in plain["left"]}


def step_key(key: Any) -> StepKey:
    """Read the key of a weight, or of an entry of an optimizer's state, from plain data."""
    (root, module, name), entry = key
    return (root, module, name), entry


class WholeRun:
    """The recorded values of a whole run, such as the one in float64; empty if there was no such run."""

    def __init__(self, folder: Path) -> None:
        self._folder = LayerFolder(folder)
        self._numbers: dict[Identity, int] = {}
        self._weights: list[torch.Tensor] = []
        if self._folder.is_whole():
            parents = self._folder.contents().parents
            self._numbers = {identity: number for number, (identity, _) in enumerate(parents)}
            self._weights = self._folder.weights()

    def of_call(self, identity: Identity) -> Tensors:
        """Read the outputs and gradients of a module call, and the values that it was given."""
        number = self._numbers.get(identity)
        if number is None:
            return {}
        call = self._folder.load_call(number, self._weights)
        return values_in_run(call) | around_call(call)

    def of_step(self) -> Tensors:
        """Read the values that the optimizer's step left."""
        loaded = self._folder.load_step() if self._numbers else None
        return {} if loaded is None else left_by_step(loaded[0])
