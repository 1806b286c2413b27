"""Describe one call of a module with copies of all that it reads and makes, so that it can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from detaudit.record.names import uncompiled
from detaudit.replay.calls.state import State
from detaudit.replay.wire.layers import Identity
from detaudit.torch_private.tensors import TreeSpec

PLAIN = (bool, int, float, complex, str, type(None))


@dataclass(slots=True)
class ModuleCall:
    """One module call, with copies of all that it reads and makes."""

    module: nn.Module
    identity: Identity
    parent: int | None
    """Number of the call inside which this call was made."""
    state: State
    leaves: list[Any]
    """Its arguments, without the containers around them; tensors are copies."""
    spec: TreeSpec
    """The containers of the arguments."""
    differentiable: tuple[int, ...]
    """Positions of the arguments that have gradients."""
    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    outputs: list[Any] = field(default_factory=list)
    gradients: dict[int, torch.Tensor] = field(default_factory=dict)
    """Gradients that arrived at the outputs, by position."""
    of_inputs: dict[int, torch.Tensor] = field(default_factory=dict)
    """Gradients of the inputs in the run, summed over all that reads the inputs; by position."""
    of_parameters: dict[str, torch.Tensor] = field(default_factory=dict)
    """Gradients of the module's own parameters, as the optimizer finds them."""
    ended: bool = False

    @property
    def kind(self) -> str:
        """Class name of the module, whether it is compiled or not."""
        return type(uncompiled(self.module)).__name__

    @property
    def tensors(self) -> Iterator[torch.Tensor]:
        """All real and complex tensors that take part in the call."""
        for value in (*self.leaves, *self.parameters.values(), *self.outputs):
            if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
                yield value
