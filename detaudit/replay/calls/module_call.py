"""One call of a module, with copies of all that it reads and makes: enough to make it again, alone."""

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
    """Number of the call within which it was made."""
    state: State
    leaves: list[Any]
    """Its arguments, without the containers around them; a tensor is a copy."""
    spec: TreeSpec
    """The containers."""
    differentiable: tuple[int, ...]
    """Which arguments have gradients."""
    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    outputs: list[Any] = field(default_factory=list)
    gradients: dict[int, torch.Tensor] = field(default_factory=dict)
    """Those that arrived at outputs, by position."""
    of_inputs: dict[int, torch.Tensor] = field(default_factory=dict)
    """Those of inputs that the run has, from all that reads them."""
    of_parameters: dict[str, torch.Tensor] = field(default_factory=dict)
    """Those of its own parameters, as the optimizer finds them."""
    ended: bool = False

    @property
    def kind(self) -> str:
        """Class of the module, whether it is compiled or not."""
        return type(uncompiled(self.module)).__name__

    @property
    def tensors(self) -> Iterator[torch.Tensor]:
        """All real and complex values that take part in it."""
        for value in (*self.leaves, *self.parameters.values(), *self.outputs):
            if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
                yield value
