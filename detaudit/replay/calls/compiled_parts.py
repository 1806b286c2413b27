"""Copy a module without its compiled parts, and compile the parts of the copy again in the same way."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from detaudit.record.names import plain_path, uncompiled
from detaudit.torch_private.by_name import compiling_context, compiling_contexts
from detaudit.torch_private.modules import compile_call, compiled_call

Compile = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Compiles a function as `torch.compile` does, with a fixed backend and fixed options."""


class CompiledError(Exception):
    """It is not known how a module was compiled."""


def copy_without_compiling(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Copy a module deeply, so that it runs eagerly; `memo` is used as in `copy.deepcopy`."""
    for part in reversed(list(module.modules())):
        inner = uncompiled(part)
        if inner is not part:
            memo[id(part)] = copy.deepcopy(inner, memo)
    # Of a module that is compiled in place, torch copies the module alone.
    return copy.deepcopy(uncompiled(module), memo)


def compile_like(module: nn.Module, alone: nn.Module) -> nn.Module:
    """Compile the parts of a copy whose originals are compiled; return the module to call for the copy.

    Raises CompiledError.
    """
    for path, part in reversed(list(module.named_modules())):
        if _is_compiled(part):
            alone = _with_compiled(alone, plain_path(path), part)
    return alone


def _with_compiled(alone: nn.Module, path: str, original: nn.Module) -> nn.Module:
    make = _compile_of(original)
    twin = alone.get_submodule(path)
    if uncompiled(original) is original:
        compile_call(twin, make)
        return alone
    wrapped: nn.Module = type(original)(twin, make)
    if not path:
        return wrapped
    alone.set_submodule(path, wrapped)
    return alone


def has_compiled_parts(module: nn.Module) -> bool:
    """Say whether a call of the module runs compiled code."""
    return any(_is_compiled(part) for part in module.modules())


def _compile_of(part: nn.Module) -> Compile:
    """Return the function that compiled a part. Raises CompiledError."""
    candidates: Iterable[Any] = [compiling_context(part)]
    if uncompiled(part) is part:
        cells = getattr(compiled_call(part), "__closure__", None) or ()
        candidates = [cell.cell_contents for cell in cells]
    for candidate in candidates:
        if isinstance(candidate, compiling_contexts()):
            make: Compile = candidate
            return make
    raise CompiledError("it is compiled in a way that cannot be repeated")


def _is_compiled(part: nn.Module) -> bool:
    return compiled_call(part) is not None or uncompiled(part) is not part
