"""Modes and autograd, which see operators: how to be one of them, and how to work unseen by all."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch.utils import _python_dispatch

DispatchMode = _python_dispatch.TorchDispatchMode
"""Sees every operator of its thread, forward, backward and in the optimizer."""

without_modes = _python_dispatch._disable_current_modes
"""Leaves all modes of the thread for a block, so that the program's code is run again without them."""

without_function_modes = torch._C.DisableTorchFunction
"""Keeps function modes, and tensors with functions of their own, from seeing what hooks do."""

count_function_modes = torch._C._len_torch_function_stack
"""Counts the function modes of the thread: where there is none, none has to be left."""

_hide_from_autograd = torch._C._AutoDispatchBelowAutograd
_hide_from_dispatch_modes = torch._C._DisableTorchDispatch


class Unseen:
    """Hides the work of a block from autograd, from all modes and from tensors with functions of their own.

    One block for all: where no function mode is there, leaving them costs nothing and changes nothing. A
    class, since a generator would cost more than many a digest.
    """

    __slots__ = ("_autograd", "_dispatch", "_functions")

    def __enter__(self) -> None:
        """Hide: each guard is made where it is entered, since some act when they are made."""
        self._autograd = _hide_from_autograd()
        self._autograd.__enter__()
        self._dispatch = _hide_from_dispatch_modes()
        self._dispatch.__enter__()
        self._functions = without_function_modes()
        self._functions.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Be seen again."""
        self._functions.__exit__(kind, error, trace)
        self._dispatch.__exit__(kind, error, trace)
        self._autograd.__exit__(kind, error, trace)


class OnlookingMode(DispatchMode):
    """Changes nothing by being there: compiled code stays compiled, and no compiler is imported for it."""

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Leave compiled code compiled: torch would otherwise run it eagerly under a mode."""
        return True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise the first operator would import all of torch._dynamo.
        return False


def innermost_mode() -> Any:
    """Give the dispatch mode that sees an operator of this thread first; None if there is none."""
    depth = torch._C._len_torch_dispatch_stack()
    return torch._C._get_dispatch_stack_at(depth - 1) if depth else None
