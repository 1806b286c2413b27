"""Optimizers: the moment that one is made, and the hooks around its steps."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch.optim import optimizer as torch_optimizer
from torch.utils.hooks import RemovableHandle

from detaudit.torch_private.spot import Spot

MADE = Spot(torch_optimizer.Optimizer, "_patch_step_function")
"""Is called once for every optimizer, at the end of its construction: all optimizers have only this in
common."""


def has_own_hooks(optimizer: torch_optimizer.Optimizer) -> bool:
    """Say whether code of the program is called around the steps of this optimizer."""
    return bool(optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)


def remove_own_hooks(optimizer: torch_optimizer.Optimizer) -> None:
    """Have no code of the program called around the steps of this optimizer."""
    optimizer._optimizer_step_pre_hooks = OrderedDict()
    optimizer._optimizer_step_post_hooks = OrderedDict()


def call_first_after_steps(handle: RemovableHandle) -> None:
    """Have a hook that is called after the steps of all optimizers called ahead of the others."""
    hooks: Any = torch_optimizer._global_optimizer_post_hooks
    hooks.move_to_end(handle.id, last=False)
