"""Modules: their parts, parameters and buffers, their hooks, and the classes that public ones share."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm, conv
from torch.nn.modules import module as torch_module
from torch.nn.utils import stateless

from detaudit.torch_private.spot import Spot

GLOBAL_HOOKS: tuple[dict[int, Any], ...] = (
    torch_module._global_backward_pre_hooks,
    torch_module._global_backward_hooks,
    torch_module._global_forward_pre_hooks,
    torch_module._global_forward_hooks,
)
"""Hold the hooks around every module: to tell detaudit's hooks from the user's, and to remove all for a
time."""

ASKING_FOR_HOOKS = Spot(torch_module, "_has_any_global_hook")
"""Asks whether a compiled module is to warn of global hooks; detaudit's hooks are no reason to warn."""

Convolution = conv._ConvNd
"""Is the base of all convolutions, of whatever number of dimensions."""

BatchNorm = batchnorm._BatchNorm
"""Is the base of all batch normalisations: modules that compute with a whole batch on purpose."""

reparametrized = stateless._reparametrize_module
"""Has a module compute with other parameters and buffers for a block, tied ones as well."""

parts_of: Callable[[nn.Module], dict[str, nn.Module | None]] = attrgetter("_modules")
"""Gives the direct submodules of a module, by name, those that are None as well."""

parameters_of: Callable[[nn.Module], dict[str, nn.Parameter | None]] = attrgetter("_parameters")
"""Gives the parameters of a module itself, without asking the user's own `parameters`."""

buffers_of: Callable[[nn.Module], dict[str, torch.Tensor | None]] = attrgetter("_buffers")
"""Gives the buffers of a module itself, without asking the user's own `buffers`."""

hooks_before: Callable[[nn.Module], dict[int, Any]] = attrgetter("_forward_pre_hooks")
"""Gives the hooks that are called before a module; torch's own weight norm is one of them."""

hooks_after: Callable[[nn.Module], tuple[dict[int, Any], ...]] = attrgetter(
    "_forward_hooks", "_backward_hooks", "_backward_pre_hooks"
)
"""Gives the hooks that are called after a module and in its backward pass."""


def has_buffers(root: nn.Module) -> bool:
    """Say whether a module or any module within it has buffers."""
    # In each step: finding the paths of all modules would take ten times as long.
    modules, seen = [root], {id(root)}
    for module in modules:
        if module._buffers:
            return True
        for part in module._modules.values():
            if part is not None and id(part) not in seen:
                seen.add(id(part))
                modules.append(part)
    return False


def apply_to_tensors(module: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Put others in the place of all parameters and buffers: what `to` and `double` are made of."""
    module._apply(change)


def compiled_call(module: nn.Module) -> Any:
    """Give the compiled code of a module that was compiled in place; None for another."""
    return getattr(module, "_compiled_call_impl", None)


def compile_call(module: nn.Module, compiling: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Compile a module in place, as `Module.compile` does."""
    module._compiled_call_impl = compiling(module._call_impl)
